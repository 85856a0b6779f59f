import os
import stat
from pathlib import Path

import pytest

from hookward.adapters.embedded.data_dir import DataDir, Runtime, read_runtime
from hookward.domain.errors import ConfigError

RUNTIME = Runtime(pid=4711, database_url="postgresql://hookward@/hookward?host=/s", queue_url="unix:///s/valkey.sock")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_directory_and_its_sockets_are_private(tmp_path):
    with DataDir.claim(tmp_path / "a" / "data") as held:
        assert (mode_of(held.path), mode_of(held.sockets)) == (0o700, 0o700)


def test_the_mode_of_a_directory_that_exists_is_left_alone(tmp_path):
    tmp_path.chmod(0o750)

    with DataDir.claim(tmp_path):
        assert mode_of(tmp_path) == 0o750


def test_a_second_claim_is_refused_in_one_line_that_names_the_setting(tmp_path):
    with DataDir.claim(tmp_path), pytest.raises(ConfigError) as refusal:
        DataDir.claim(tmp_path)

    assert str(refusal.value) == f"data.dir: {tmp_path} is in use by another hookward serve"


def test_a_directory_that_was_released_can_be_claimed_again(tmp_path):
    with DataDir.claim(tmp_path) as first:
        pass

    with DataDir.claim(tmp_path):
        assert not first.sockets.exists()


def test_what_cannot_be_a_directory_is_refused_by_name(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match=r"data\.dir: .*/file cannot be used"):
        DataDir.claim(tmp_path / "file")


def test_what_was_published_is_read_while_the_directory_is_held(tmp_path):
    with DataDir.claim(tmp_path) as held:
        held.publish(RUNTIME)
        held.publish(RUNTIME)

        assert read_runtime(tmp_path) == RUNTIME
        assert mode_of(tmp_path / "serve.json") == 0o600


def test_nothing_is_read_before_it_is_published(tmp_path):
    with DataDir.claim(tmp_path):
        assert read_runtime(tmp_path) is None


def test_nothing_is_read_where_serve_never_ran(tmp_path):
    assert read_runtime(tmp_path / "nowhere") is None


def test_what_a_dead_serve_published_is_not_read(tmp_path):
    with DataDir.claim(tmp_path) as held:
        held.publish(RUNTIME)
        left_behind = (tmp_path / "serve.json").read_bytes()
    (tmp_path / "serve.json").write_bytes(left_behind)

    assert read_runtime(tmp_path) is None


def test_what_a_dead_serve_published_is_not_taken_for_the_next_ones(tmp_path):
    with DataDir.claim(tmp_path):
        pass
    (tmp_path / "serve.json").write_text('{"pid": 1}')

    with DataDir.claim(tmp_path):
        assert read_runtime(tmp_path) is None


def test_the_sockets_of_a_serve_that_was_killed_are_removed(tmp_path):
    if (child := os.fork()) == 0:
        DataDir.claim(tmp_path)
        os._exit(0)
    os.waitpid(child, 0)
    left_behind = Path((tmp_path / "serve.lock").read_text())
    assert left_behind.is_dir()

    with DataDir.claim(tmp_path):
        assert not left_behind.exists()


@pytest.mark.parametrize("name", ["hookward-precious", "precious"])
def test_a_lock_file_cannot_make_us_remove_anything_else(tmp_path, name):
    precious = tmp_path / name
    precious.mkdir()
    (tmp_path / "serve.lock").write_text(str(precious))

    with DataDir.claim(tmp_path):
        assert precious.is_dir()


def test_the_sockets_have_a_short_path_even_when_the_temporary_directory_does_not(tmp_path, monkeypatch):
    long = tmp_path / ("x" * 60)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))

    with DataDir.claim(tmp_path / "data") as held:
        assert len(str(held.sockets / ".s.PGSQL.5432")) <= 103
