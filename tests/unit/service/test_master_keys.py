"""Where the ring of master keys comes from."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from hookward.bootstrap.factories import MasterKeys, load_master_keys
from hookward.config import load_settings
from hookward.domain.errors import ConfigError

A, B, C = (bytes([byte]) * 32 for byte in b"ABC")


def text(key: bytes) -> str:
    return base64.b64encode(key).decode()


def found(**security: str) -> MasterKeys:
    return load_master_keys(
        load_settings(environ={f"HOOKWARD_{name.upper()}": value for name, value in security.items()})
    )


def key_file(folder: Path, content: str, mode: int = 0o600) -> str:
    file = folder / "keys"
    file.write_text(content)
    file.chmod(mode)
    return str(file)


def test_the_configured_key_seals_and_old_ones_follow() -> None:
    ring = found(security__master_key=text(A), security__old_master_keys=f"{text(B)},{text(C)}")
    assert ring == MasterKeys(keys=(A, B, C), setting="security.master_key")


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o440, 0o640])
def test_of_a_file_the_first_line_seals_and_the_others_follow(tmp_path: Path, mode: int) -> None:
    file = key_file(tmp_path, f"# of spring\n{text(B)}\n\n  {text(A)}  \n", mode)
    ring = found(security__master_key_file=file, security__old_master_keys=text(C))
    assert ring == MasterKeys(keys=(B, A, C), setting="security.master_key_file")


def test_the_file_that_serve_made_may_hold_several_keys(tmp_path: Path) -> None:
    (tmp_path / "master_key").write_text(f"{text(B)}\n{text(A)}\n")
    (tmp_path / "master_key").chmod(0o600)
    assert found(data__dir=str(tmp_path)) == MasterKeys(keys=(B, A), setting="security.master_key")


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o666, 0o602])
def test_a_file_that_others_may_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    file = key_file(tmp_path, text(A), mode)
    with pytest.raises(ConfigError) as caught:
        found(security__master_key_file=file)
    assert str(caught.value) == (f"security.master_key_file: {file} is open to others ({mode:04o}); chmod 600 {file}")


@pytest.mark.parametrize(
    ("content", "reason"),
    [("", "there is no key in"), ("# nothing\n", "there is no key in"), ("clé", "cannot be read: it is not ASCII")],
)
def test_a_file_without_a_key_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=rf"^security\.master_key_file: .*{reason}"):
        found(security__master_key_file=key_file(tmp_path, content))


def test_a_line_that_is_no_key_is_refused_and_not_repeated(tmp_path: Path) -> None:
    file = key_file(tmp_path, f"{text(A)}\nc2VjcmV0\n")
    with pytest.raises(ConfigError) as caught:
        found(security__master_key_file=file)
    assert str(caught.value) == (f"security.master_key_file: a line of {file} is not right; must be 32 bytes in base64")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^security\.master_key_file: .*/none cannot be read: No such file"):
        found(security__master_key_file=str(tmp_path / "none"))
    with pytest.raises(ConfigError, match=r"^security\.master_key: not set, and .*/master_key cannot be read"):
        found(data__dir=str(tmp_path))


def test_keys_are_not_shown() -> None:
    assert repr(found(security__master_key=text(A))) == "MasterKeys(setting='security.master_key')"
