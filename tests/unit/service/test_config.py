from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from hookward.config import Settings, configured_watch_bounds, environment_without_settings, load_settings, public_url
from hookward.domain.durations import parse_duration
from hookward.domain.errors import ConfigError
from hookward.domain.watches.model import WatchBounds

EXAMPLE = Path(__file__).parents[3] / "config.example.toml"
MASTER_KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
DATABASE = "postgresql://hookward@db.internal/hookward"


def refusal(environ: dict[str, str] | None = None, file: Path | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(file, environ or {})
    return str(caught.value)


def every_setting() -> list[tuple[str, str, Any]]:
    settings = Settings()
    return [
        (section.name, key.name, getattr(getattr(settings, section.name), key.name))
        for section in fields(settings)
        for key in fields(getattr(settings, section.name))
    ]


WRONG = {
    "HOOKWARD_SERVER__HOST": "",
    "HOOKWARD_SERVER__PORT": "eighty",
    "HOOKWARD_SERVER__PATH_PREFIXES": "api",
    "HOOKWARD_SERVER__CONNECTIONS": "0",
    "HOOKWARD_SERVER__REQUEST_TIMEOUT": "0s",
    "HOOKWARD_SERVER__IDLE_TIMEOUT": "forever",
    "HOOKWARD_SERVER__PUBLIC_URL": "hooks.example.com",
    "HOOKWARD_DATA__DIR": "",
    "HOOKWARD_DATABASE__URL": "mysql://db.internal/hookward",
    "HOOKWARD_DATABASE__POOL_SIZE": "1",
    "HOOKWARD_QUEUE__URL": "amqp://queue.internal",
    "HOOKWARD_SECURITY__BOOTSTRAP_KEY": "hw_short",
    "HOOKWARD_SECURITY__MASTER_KEY": "AAAA",
    "HOOKWARD_SECURITY__MASTER_KEY_FILE": "",
    "HOOKWARD_SECURITY__OLD_MASTER_KEYS": "AAAA",
    "HOOKWARD_SECURITY__KEY_OVERLAP": "31d",
    "HOOKWARD_EGRESS__ALLOW": "localhost",
    "HOOKWARD_EGRESS__DENY": "203.0.113.1/24",
    "HOOKWARD_EGRESS__PORTS": "443,0",
    "HOOKWARD_EGRESS__PROXY": "proxy.internal:3128",
    "HOOKWARD_WORKER__PROCESSES": "0",
    "HOOKWARD_WORKER__LEASE": "45",
    "HOOKWARD_WORKER__GRACE": "1w",
    "HOOKWARD_WORKER__IN_FLIGHT": "1e3",
    "HOOKWARD_DELIVERY__SCHEDULE": "5s,soon",
    "HOOKWARD_DELIVERY__TIMEOUT": "31s",
    "HOOKWARD_DELIVERY__CONCURRENCY": "-1",
    "HOOKWARD_DELIVERY__MAX_TIMEOUT": "31s",
    "HOOKWARD_DELIVERY__MAX_CONCURRENCY": "1001",
    "HOOKWARD_DELIVERY__MAX_RETRIES": "101",
    "HOOKWARD_DELIVERY__MAX_WAIT": "31d",
    "HOOKWARD_OAUTH__TIMEOUT": "31s",
    "HOOKWARD_RETENTION__DAYS": "0",
    "HOOKWARD_RETENTION__MAX_DAYS": "4000",
    "HOOKWARD_LIMITS__BACKLOG": "0",
    "HOOKWARD_LOG__LEVEL": "verbose",
}


@pytest.mark.parametrize(("name", "value"), WRONG.items())
def test_a_wrong_value_is_one_line_that_names_the_setting_and_what_would_be_right(name: str, value: str) -> None:
    section, _, key = name.removeprefix("HOOKWARD_").lower().partition("__")
    message = refusal({name: value})
    assert message.startswith(f"{section}.{key}: ")
    assert "must be" in message
    assert "\n" not in message


def test_every_setting_is_tried_with_a_wrong_value() -> None:
    assert set(WRONG) == {f"HOOKWARD_{section}__{key}".upper() for section, key, _ in every_setting()}


@pytest.mark.parametrize("value", ["port = '9000x'", "port = true", "port = 9000.0", "port = 65536", "port = 0"])
def test_a_file_is_held_to_the_same_rules(tmp_path: Path, value: str) -> None:
    file = tmp_path / "hookward.toml"
    file.write_text(f"[server]\n{value}\n")
    assert refusal(file=file).startswith("server.port: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECURITY__BOOTSTRAP_KEY", "hw_s3cret"),
        ("DATABASE__URL", "mysql://us:s3cret@db"),
        ("QUEUE__URL", "q://s3cret"),
        ("EGRESS__PROXY", "https://u:s3cret@proxy:1"),
        ("SECURITY__OLD_MASTER_KEYS", "s3cret"),
    ],
)
def test_a_secret_that_is_wrong_is_not_repeated(name: str, value: str) -> None:
    assert "s3cret" not in refusal({f"HOOKWARD_{name}": value})


@pytest.mark.parametrize("hosts", ["db:5432x", "db:123456", "[::1", "u:s3cret/x@db", "u:s3cr?et@db", "a,b:x"])
def test_an_address_that_is_none_is_refused_and_not_repeated(hosts: str) -> None:
    message = refusal({"HOOKWARD_DATABASE__URL": f"postgresql://u:s3cret@{hosts}/name"})
    assert message.startswith("database.url: the value given is not right; must be a URL with a host and a port")
    assert "s3cr" not in message


@pytest.mark.parametrize(
    "url",
    ["postgresql://db", "postgresql://u:p%40@[::1]:5432/x?sslmode=require", "postgres://a:1,b:2/x", "postgresql:///x"],
)
def test_an_address_that_is_one_is_taken(url: str) -> None:
    environ = {"HOOKWARD_DATABASE__URL": url, "HOOKWARD_SECURITY__MASTER_KEY": MASTER_KEY}
    assert load_settings(environ=environ).database.url == url


def test_secrets_are_not_shown_with_the_settings() -> None:
    environ = {
        "SECURITY__BOOTSTRAP_KEY": "hw_0123456789abcdef", "SECURITY__MASTER_KEY": MASTER_KEY,
        "SECURITY__OLD_MASTER_KEYS": MASTER_KEY, "DATABASE__URL": "postgresql://u:0123456789abcdef@db/x",
        "QUEUE__URL": "redis://u:0123456789abcdef@valkey",
    }  # fmt: skip
    settings = load_settings(environ={f"HOOKWARD_{name}": value for name, value in environ.items()})
    assert "0123456789abcdef" not in repr(settings)


def test_an_unknown_section_is_named() -> None:
    assert refusal({"HOOKWARD_SERVERS__PORT": "1"}).startswith("servers: unknown section; known are server, data,")


def test_an_unknown_key_is_named() -> None:
    assert refusal({"HOOKWARD_SERVER__PROT": "1"}).startswith("server.prot: unknown setting; known are host, port,")


def test_a_variable_without_section_is_named() -> None:
    assert refusal({"HOOKWARD_PORT": "1"}).startswith("HOOKWARD_PORT: unknown setting; ")


def test_other_variables_are_none_of_ours() -> None:
    assert load_settings(environ={"PATH": "/bin", "HOOKWARDEN__X": "1"}) == Settings()


def test_what_the_commands_are_told_by_the_environment_is_no_setting() -> None:
    assert load_settings(environ={"HOOKWARD_URL": "http://hooks.internal", "HOOKWARD_KEY": "hw_x"}) == Settings()


def test_a_value_outside_a_section_is_named(tmp_path: Path) -> None:
    file = tmp_path / "hookward.toml"
    file.write_text("port = 1\n")
    assert refusal(file=file) == "port: must be a section, written [port]"


@pytest.mark.parametrize(
    ("content", "reason"), [(b"port =", "not TOML"), (b"\xff", "not TOML"), (None, "cannot be read")]
)
def test_a_file_that_cannot_be_used_is_one_line(tmp_path: Path, content: bytes | None, reason: str) -> None:
    file = tmp_path / "hookward.toml"
    if content is not None:
        file.write_bytes(content)
    message = refusal(file=file)
    assert message.startswith(f"--config {file}: {reason}")
    assert "\n" not in message


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "hookward.toml"
    file.write_text('[server]\nport = 9000\nhost = "127.0.0.2"\n')
    server = load_settings(file, {"HOOKWARD_SERVER__PORT": "9001"}).server
    assert (server.host, server.port) == ("127.0.0.2", 9001)


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("15s", 15), ("1.5m", 90), ("2h", 7200), ("1d", 86400), ("0s", 0)]
)
def test_durations_are_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "15", "s", "-1s", "1 s", "1S", "1s ", "1w", "1m30s", "1\u0661s", "9" * 13 + "s", 15, None]
)
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="a duration such as"):
        parse_duration(text)


def test_lists_are_comma_separated_in_the_environment_and_lists_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "hookward.toml"
    file.write_text('[egress]\nallow = ["127.0.0.1/32", "10.0.0.0/8"]\n[delivery]\nschedule = ["1s", "2m"]\n')
    environ = {"HOOKWARD_EGRESS__ALLOW": "127.0.0.1/32, 10.0.0.0/8", "HOOKWARD_DELIVERY__SCHEDULE": "1s,2m"}
    assert load_settings(file, {}) == load_settings(environ=environ)
    assert load_settings(file, {}).egress.allow == (ip_network("127.0.0.1/32"), ip_network("10.0.0.0/8"))


def test_an_empty_list_in_the_environment_is_an_empty_list() -> None:
    assert load_settings(environ={"HOOKWARD_DELIVERY__SCHEDULE": ""}).delivery.schedule == ()


@pytest.mark.parametrize(
    ("written", "environ", "ports"),
    [
        ("443", "443", (range(443, 444),)),
        ('[443, "8000-8999"]', "443, 8000-8999", (range(443, 444), range(8000, 9000))),
        ('["1-65535"]', "1-65535", (range(1, 65536),)),
    ],
)
def test_ports_are_numbers_and_spans(tmp_path: Path, written: str, environ: str, ports: tuple[range, ...]) -> None:
    file = tmp_path / "hookward.toml"
    file.write_text(f"[egress]\nports = {written}\n")
    given = load_settings(environ={"HOOKWARD_EGRESS__PORTS": environ})
    assert [each.egress.ports for each in (load_settings(file, {}), given)] == [ports, ports]


@pytest.mark.parametrize("value", ["0", "65536", "9-8", "80-", "-80", "http", "80:90", "1-65536", "²"])
def test_what_is_no_port_is_refused(value: str) -> None:
    assert refusal({"HOOKWARD_EGRESS__PORTS": value}).startswith("egress.ports: ")


@pytest.mark.parametrize("value", ["true", "8080.0", "[[443]]", "{a = 1}"])
def test_what_is_no_list_of_ports_is_refused(tmp_path: Path, value: str) -> None:
    file = tmp_path / "hookward.toml"
    file.write_text(f"[egress]\nports = {value}\n")
    assert refusal(file=file).startswith("egress.ports: ")


def test_a_proxys_credentials_are_not_shown_with_the_settings() -> None:
    settings = load_settings(environ={"HOOKWARD_EGRESS__PROXY": "http://me:s3cret@proxy.internal:3128"})
    assert settings.egress.proxy is not None
    assert settings.egress.proxy.authorization == "Basic bWU6czNjcmV0"
    assert not {"s3cret", "bWU6czNjcmV0"} & set(re.findall(r"\w+", repr(settings)))


def test_a_lease_must_outlast_an_attempt() -> None:
    assert refusal({"HOOKWARD_WORKER__LEASE": "20s"}).startswith("worker.lease: 20s is too short")


def test_the_retention_cannot_be_over_what_an_account_may_choose() -> None:
    assert refusal({"HOOKWARD_RETENTION__MAX_DAYS": "9"}) == "retention.days: 10 is over retention.max_days, 9"


def bounds(**environ: str) -> WatchBounds:
    return configured_watch_bounds(
        load_settings(environ={f"HOOKWARD_{name}": value for name, value in environ.items()})
    )


def test_a_watch_may_ask_for_what_is_configured() -> None:
    assert bounds() == WatchBounds(timeout=30, concurrency=100, retries=30, wait=7 * 86400)
    assert bounds(
        DELIVERY__MAX_TIMEOUT="20s", DELIVERY__MAX_CONCURRENCY="20", DELIVERY__MAX_RETRIES="10", DELIVERY__MAX_WAIT="2d"
    ) == WatchBounds(timeout=20, concurrency=20, retries=10, wait=2 * 86400)


def test_a_watch_may_always_ask_for_the_defaults() -> None:
    low = {
        "DELIVERY__MAX_TIMEOUT": "1s", "DELIVERY__MAX_CONCURRENCY": "1", "DELIVERY__MAX_RETRIES": "0",
        "DELIVERY__MAX_WAIT": "0s",
    }  # fmt: skip
    assert bounds(**low) == WatchBounds(timeout=15, concurrency=16, retries=9, wait=86400)
    assert bounds(**low, DELIVERY__SCHEDULE="").wait == 0


def test_a_watch_may_ask_for_no_timeout_that_the_lease_leaves_no_room_for() -> None:
    assert bounds(WORKER__LEASE="21s").timeout == 15
    assert bounds(WORKER__LEASE="10s", DELIVERY__TIMEOUT="2s").timeout == 4


def test_a_database_of_ones_own_needs_a_master_key() -> None:
    assert refusal({"HOOKWARD_DATABASE__URL": DATABASE}).startswith("security.master_key: must be set")
    load_settings(environ={"HOOKWARD_DATABASE__URL": DATABASE, "HOOKWARD_SECURITY__MASTER_KEY": MASTER_KEY})
    load_settings(environ={"HOOKWARD_DATABASE__URL": DATABASE, "HOOKWARD_SECURITY__MASTER_KEY_FILE": "/run/keys"})


def test_a_master_key_and_a_file_of_them_are_not_both_taken() -> None:
    both = {"HOOKWARD_SECURITY__MASTER_KEY": MASTER_KEY, "HOOKWARD_SECURITY__MASTER_KEY_FILE": "/run/keys"}
    assert refusal(both) == "security.master_key_file: set together with security.master_key; leave one of them out"


def test_old_master_keys_are_a_list() -> None:
    other = "A" * 43 + "="
    security = load_settings(environ={"HOOKWARD_SECURITY__OLD_MASTER_KEYS": f"{MASTER_KEY}, {other}"}).security
    assert security.old_master_keys == (b"0123456789abcdef" * 2, bytes(32))


def test_the_environment_of_a_child_configured_by_file_holds_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKWARD_SERVER__PORT", "9000")
    monkeypatch.setenv("ELSE", "kept")
    kept = environment_without_settings()
    assert "ELSE" in kept
    assert "HOOKWARD_SERVER__PORT" not in kept


def test_the_example_is_the_defaults() -> None:
    assert load_settings(EXAMPLE, {}) == Settings()


@pytest.mark.parametrize(("section", "key", "default"), every_setting())
def test_the_example_has_every_setting_with_a_reason(section: str, key: str, default: object) -> None:
    text = EXAMPLE.read_text("utf-8")
    part = text.split(f"\n[{section}]\n")[1].split("\n[")[0]
    line = re.search(rf"^# .+\n{'# ' if default is None else ''}{key} = .+$", part, re.MULTILINE)
    assert line is not None
    assert (key in tomllib.loads(text)[section]) == (default is not None)


def test_where_commands_find_the_api_is_no_setting() -> None:
    assert load_settings(None, {"HOOKWARD_URL": "http://a.test", "HOOKWARD_KEY": "k"}) == Settings()


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, "http://127.0.0.1:8420"),
        ({"HOOKWARD_SERVER__HOST": "::1", "HOOKWARD_SERVER__PORT": "9"}, "http://[::1]:9"),
        ({"HOOKWARD_SERVER__PUBLIC_URL": "https://hooks.example.com/w/"}, "https://hooks.example.com/w"),
    ],
)
def test_the_service_is_found_where_it_listens_or_where_it_says(environ: dict[str, str], url: str) -> None:
    assert public_url(load_settings(environ=environ)) == url


@pytest.mark.parametrize("value", ["ftp://a.example", "https://", "https://a.example?b=c", "https://u:p@a.example"])
def test_browsers_are_sent_to_no_address_that_is_none(value: str) -> None:
    assert refusal({"HOOKWARD_SERVER__PUBLIC_URL": value}).startswith("server.public_url: ")
