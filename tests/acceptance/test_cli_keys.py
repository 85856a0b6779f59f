"""``hookward keys`` and ``hookward accounts`` as operators run them."""

from __future__ import annotations

import json
import uuid
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from urllib.request import Request, urlopen

import pytest

from hookward.adapters.embedded.data_dir import read_runtime
from tests.acceptance.commands import free_port, run, serving

Ended = CompletedProcess[str]
ONE_ACCOUNT = "--account: over HTTP the account is that of the key; leave one of them out"


class Place:
    """A directory with a running ``serve``."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def run(self, *arguments: str, **settings: str) -> Ended:
        return run(*arguments, directory=self.directory, server__port=str(self.port), **settings)

    def json(self, *arguments: str, **settings: str) -> Any:
        ended = self.run(*arguments, "--json", **settings)
        assert (ended.returncode, ended.stderr) == (0, "")
        [line] = ended.stdout.splitlines()
        return json.loads(line)

    def status(self, path: str, key: str) -> int:
        request = Request(self.url + path, headers={"Authorization": f"Bearer {key}"})
        with urlopen(request) as answer:
            return int(answer.status)

    def external(self, database: str = "hookward") -> dict[str, str]:
        """The same store as one that is configured, without any key of the service."""
        runtime = read_runtime(self.directory / ".hookward")
        assert runtime is not None
        assert runtime.database_url is not None
        url = runtime.database_url.replace("/hookward?", f"/{database}?")
        return {"database__url": url, "security__master_key": b64encode(bytes(32)).decode()}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    directory, port = tmp_path_factory.mktemp("keys"), free_port()
    with serving(directory, server__port=str(port)):
        yield Place(directory, port)


@pytest.fixture(params=["on the store", "at the api"])
def reach(request: pytest.FixtureRequest, place: Place) -> list[str]:
    """The options that say where a command takes effect."""
    return [] if request.param == "on the store" else ["--url", place.url]


@pytest.mark.parametrize("command", ["keys create", "keys ls", "keys revoke", "accounts create", "accounts ls"])
def test_every_command_has_help(command: str, tmp_path: Path) -> None:
    ended = run(*command.split(), "--help", directory=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("Usage: ")
    assert "--json" in ended.stdout


def test_a_key_that_was_made_opens_the_api_is_listed_and_is_revoked(place: Place, reach: list[str]) -> None:
    owner = uuid.uuid4().hex
    made = place.json("keys", "create", "--name", "mine", "--scopes", "watches, deliveries", "--owner", owner, *reach)
    assert place.status("/v1/watches", made["key"]) == 200
    [listed] = place.json("keys", "ls", "--owner", owner, *reach)["data"]
    assert {**made, "lastUsed": listed["lastUsed"]} == {**listed, "key": made["key"]}
    assert (listed["name"], listed["scopes"], listed["owner"]) == ("mine", ["watches", "deliveries"], owner)
    assert place.json("keys", "revoke", made["id"], *reach) == {"data": [{"id": made["id"], "error": None}]}
    assert place.json("keys", "ls", "--owner", owner, *reach) == {"data": [], "nextCursor": None}


def test_an_account_that_was_made_is_listed_and_its_key_opens_the_api(place: Place, reach: list[str]) -> None:
    name = uuid.uuid4().hex
    made = place.json("accounts", "create", name, "--time-zone", "Europe/Paris", "--retention-days", "3", *reach)
    assert place.status("/v1/api-keys", made["key"]) == 200
    listed = {each["id"]: each for each in place.json("accounts", "ls", *reach)["data"]}
    assert listed[made["id"]] == {key: value for key, value in made.items() if key not in ("key", "keyId")}
    assert (made["name"], made["timeZone"], made["retentionDays"]) == (name, "Europe/Paris", 3)


def test_people_are_shown_lines_and_tables(place: Place) -> None:
    made = place.run("keys", "create", "--scopes", "publish", "--name", "for people")
    assert (made.returncode, made.stderr) == (0, "")
    words = dict(line.split(maxsplit=1) for line in made.stdout.splitlines()[2:])
    assert place.status("/livez", words["key"]) == 200
    assert words["scopes"] == "publish"
    listed = place.run("keys", "ls").stdout.splitlines()
    assert listed[0].split()[:4] == ["Id", "Name", "Scopes", "Owner"]
    assert [line.split()[:4] for line in listed if words["id"] in line] == [[words["id"], "for", "people", "publish"]]
    assert words["key"] not in "".join(listed)
    revoked = place.run("keys", "revoke", words["id"])
    assert (revoked.returncode, revoked.stdout) == (0, f"{words['id']} was revoked\n")
    assert place.run("keys", "ls", "--owner", "unknown").stdout == "no API keys\n"
    assert "default" in place.run("accounts", "ls").stdout


def test_a_key_can_be_made_for_any_account_on_the_store(place: Place) -> None:
    account = place.json("accounts", "create", uuid.uuid4().hex)
    for named in (account["id"], account["name"]):
        place.json("keys", "create", "--scopes", "admin", "--account", named)
    assert len(place.json("keys", "ls", "--account", account["id"])["data"]) == 3


def test_an_installation_on_a_database_of_its_own_gets_its_first_key_without_one(place: Place) -> None:
    made = place.json("keys", "create", "--account", "default", "--scopes", "admin,operator", **place.external())
    assert place.status("/v1/accounts", made["key"]) == 200


def test_a_database_without_a_schema_says_what_to_run(place: Place) -> None:
    ended = place.run("keys", "ls", **place.external("postgres"))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.splitlines() == [
        "hookward: database.url: the database has no schema of this version; run hookward migrate first"
    ]


def test_everything_that_is_refused_is_named_and_the_status_says_so(place: Place, reach: list[str]) -> None:
    ended = place.run("keys", "create", "--scopes", "root,admin", "--owner", "one", "--name", "", *reach)
    assert (ended.returncode, ended.stdout) == (1, "")
    first, *problems = ended.stderr.splitlines()
    assert first == "hookward: the API key has problems"
    assert [line.split(":")[0].strip() for line in problems] == ["name", "scopes/0", "scopes/1"]
    ended = place.run("accounts", "create", "default", *reach)
    assert (ended.returncode, ended.stderr) == (
        1, "hookward: another account has this name; choose one that is free\n",
    )  # fmt: skip


def test_revoking_goes_on_past_a_key_that_is_not_there(place: Place, reach: list[str]) -> None:
    made = place.json("keys", "create", "--scopes", "publish", *reach)
    missing = "apk_" + "0" * 32
    ended = place.run("keys", "revoke", "x", missing, made["id"], *reach)
    assert (ended.returncode, ended.stdout) == (1, f"{made['id']} was revoked\n")
    assert ended.stderr.splitlines() == [f"hookward: {id_}: there is no such API key" for id_ in ("x", missing)]


def test_url_and_key_are_read_from_the_environment(place: Place) -> None:
    account = place.json("accounts", "create", uuid.uuid4().hex)
    listed = place.json("keys", "ls", url=place.url, key=account["key"])["data"]
    assert [each["id"] for each in listed] == [account["keyId"]]
    refused = place.run("accounts", "ls", url=place.url, key=account["key"])
    assert (refused.returncode, refused.stderr) == (1, "hookward: this key lacks the scope operator\n")


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--url", "http://127.0.0.1:1"], 3, "http://127.0.0.1:1 cannot be reached: ClientConnectorError"),
        (["--url", "127.0.0.1"], 2, "--url: must start with http:// or https://"),
        (["--key", "hw_x", "--account", "default"], 2, ONE_ACCOUNT),
        (["--key", "hw_x"], 1, "this key is not known, or was revoked"),
        (["--account", "unknown"], 1, "there is no such account"),
        (["--account", "acc_" + "0" * 32], 1, "there is no such account"),
    ],
)  # fmt: skip
def test_what_cannot_be_reached_or_is_not_there_is_told_in_one_line(
    place: Place, options: list[str], status: int, message: str
) -> None:
    ended = place.run("keys", "ls", *options)
    assert (ended.returncode, ended.stdout, ended.stderr) == (status, "", f"hookward: {message}\n")


def test_no_running_serve_is_told_in_one_line(tmp_path: Path) -> None:
    ended = run("keys", "ls", directory=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("hookward: database.url: embedded, and no hookward serve runs on")
