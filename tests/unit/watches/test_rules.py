"""What a watch may be: each rule by the pointer and the gist of its message."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hookward.domain.watches.limits import MAX_ADDRESS, MAX_HEADERS, MAX_KEYS, MAX_NAME
from hookward.domain.watches.model import WatchDefinition, WatchMethod, WatchSecrets, WatchStatus
from hookward.domain.watches.properties import NOT_YET, READ_ONLY
from hookward.domain.watches.rules import WatchRequest
from tests.unit.watches.watch_input import KEY_IDS, RIGHT, problems, read, the_problem

NO_TEXTS = [0, 1.5, True, [], {}]


def test_a_watch_needs_no_more_than_an_address() -> None:
    assert read() == WatchRequest(
        definition=WatchDefinition(address="https://example.com/hooks", scope={"shopId": "9"}),
        secrets=WatchSecrets(),
        status=WatchStatus.ENABLED,
        make_key=False,
    )


def test_a_watch_may_say_everything() -> None:
    request = read(
        name="orders",
        events=["created", "deleted"],
        method="PUT",
        status="paused",
        basicAuth={"username": "ann", "password": "pa:ss"},
        httpRequestHeader={"X-Key": "s3cret"},
        schema={"id": "${$.resource.id}"},
        signature={"enabled": True, "cryptoKeyIds": KEY_IDS[:2]},
    )
    assert request == WatchRequest(
        definition=WatchDefinition(
            address="https://example.com/hooks",
            scope={"shopId": "9"},
            name="orders",
            events=("created", "deleted"),
            method="PUT",
            schema={"id": "${$.resource.id}"},
            username="ann",
            header_names=("X-Key",),
            signed=True,
            key_ids=tuple(KEY_IDS[:2]),
        ),
        secrets=WatchSecrets(password="pa:ss", headers={"X-Key": "s3cret"}),
        status=WatchStatus.PAUSED,
        make_key=False,
    )


def test_no_secret_is_in_the_definition() -> None:
    request = read(basicAuth={"username": "ann", "password": "s3cret"}, httpRequestHeader={"X-Key": "s3cret"})
    assert b"s3cret" not in msgspec.json.encode(request.definition)


def test_null_is_as_good_as_nothing() -> None:
    names = ("name", "events", "method", "status", "basicAuth", "httpRequestHeader", "schema", "signature", *NOT_YET)
    assert read() == read(**dict.fromkeys(names))


def test_what_can_only_be_read_is_ignored() -> None:
    assert read() == read(**{name: {"what": ["ever"]} for name in READ_ONLY})


@pytest.mark.parametrize("given", [None, True, 1, "x", [], [RIGHT]])
def test_a_watch_is_an_object(given: Any) -> None:
    assert problems(given) == [("", "a watch must be a JSON object with at least an address")]


@pytest.mark.parametrize("given", [{}, {"address": None}])
def test_an_address_is_needed(given: Any) -> None:
    assert problems(given) == [("/address", "address is missing; give a text")]


@pytest.mark.parametrize("address", [*NO_TEXTS, "https://example.com/" + "a" * MAX_ADDRESS])
def test_an_address_is_a_text_of_some_length(address: Any) -> None:
    assert the_problem(address=address) == ("/address", f"address must be a text of at most {MAX_ADDRESS} characters")


@pytest.mark.parametrize("name", ["", "orders", "é 😀", "x" * MAX_NAME])
def test_a_name_is_free_text(name: str) -> None:
    assert name == read(name=name).definition.name


@pytest.mark.parametrize("name", [*NO_TEXTS, "x" * (MAX_NAME + 1)])
def test_a_name_is_a_text_of_some_length(name: Any) -> None:
    assert the_problem(name=name) == ("/name", f"name must be a text of at most {MAX_NAME} characters")


@pytest.mark.parametrize("method", WatchMethod.ALL)
def test_each_method_can_be_chosen(method: str) -> None:
    assert method == read(method=method).definition.method


@pytest.mark.parametrize("method", [*NO_TEXTS, "", "post", "HEAD", "POST\r\n"])
def test_no_other_method_can(method: Any) -> None:
    assert the_problem(method=method) == ("/method", "method must be one of POST, PUT, PATCH, DELETE, GET")


@pytest.mark.parametrize("status", WatchStatus)
def test_each_status_can_be_chosen(status: WatchStatus) -> None:
    assert status is read(status=status.word).status


@pytest.mark.parametrize("status", [*NO_TEXTS, "", "ENABLED", "active"])
def test_no_other_status_can(status: Any) -> None:
    assert the_problem(status=status) == ("/status", "status must be one of enabled, paused, disabled")


@pytest.mark.parametrize("events", [["created"], ["merged", "updated"], ["created", "updated", "deleted", "merged"]])
def test_events_are_kept_as_they_are_named(events: list[str]) -> None:
    assert tuple(events) == read(events=events).definition.events


@pytest.mark.parametrize("event", [None, 0, 1.5, True, "", "Created", "all", [], {}])
def test_each_event_is_one_of_four_words(event: Any) -> None:
    assert the_problem(events=["created", event]) == (
        "/events/1",
        "must be one of created, updated, deleted, merged",
    )


def test_no_event_is_named_twice() -> None:
    assert the_problem(events=["created", "merged", "created"]) == ("/events/2", "created is named twice")


@pytest.mark.parametrize("block", ["basicAuth", "signature"])
@pytest.mark.parametrize("value", [0, "x", True, []])
def test_a_block_is_an_object(block: str, value: Any) -> None:
    pointer, message = the_problem(**{block: value})
    assert (pointer, message.split(" with ")[0]) == (f"/{block}", f"{block} must be an object")


@pytest.mark.parametrize("name", ["username", "password"])
@pytest.mark.parametrize("value", [*NO_TEXTS, "x" * 1025])
def test_credentials_are_texts_of_some_length(name: str, value: Any) -> None:
    credentials = {"username": "ann", "password": "pass", name: value}
    assert the_problem(basicAuth=credentials) == (
        f"/basicAuth/{name}",
        f"{name} must be a text of at most 1024 characters",
    )


def test_credentials_are_needed_together() -> None:
    assert problems({**RIGHT, "basicAuth": {}}) == [
        ("/basicAuth/username", "username is missing; give a text"),
        ("/basicAuth/password", "password is missing; give a text"),
    ]


@pytest.mark.parametrize("name", ["username", "password"])
@pytest.mark.parametrize("character", ["\0", "\r", "\n", "\t", "\x7f"])
def test_credentials_hold_no_control_characters(name: str, character: str) -> None:
    credentials = {"username": "ann", "password": "pass", name: f"a{character}b"}
    assert the_problem(basicAuth=credentials) == (
        f"/basicAuth/{name}",
        f"{name} must hold no control characters (RFC 7617)",
    )


def test_a_user_name_holds_no_colon() -> None:
    assert the_problem(basicAuth={"username": "a:b", "password": "c:d"}) == (
        "/basicAuth/username",
        "username must hold no colon (RFC 7617)",
    )


def test_a_user_name_and_a_password_may_be_empty() -> None:
    request = read(basicAuth={"username": "", "password": ""})
    assert (request.definition.username, request.secrets.password) == ("", "")


@pytest.mark.parametrize("headers", [0, "x", True, [], {f"x-{number}": "v" for number in range(MAX_HEADERS + 1)}])
def test_headers_are_an_object_of_some_size(headers: Any) -> None:
    assert the_problem(httpRequestHeader=headers) == (
        "/httpRequestHeader",
        "httpRequestHeader must be an object of at most 50 names",
    )


def test_authorization_is_set_by_one_property_only() -> None:
    assert the_problem(
        httpRequestHeader={"Authorization": "Bearer x"}, basicAuth={"username": "a", "password": "b"}
    ) == ("/httpRequestHeader/Authorization", "Authorization is set by basicAuth or oauth2Auth; leave one of them out")


@pytest.mark.parametrize("block", [{"enabled": True}, {"enabled": True, "cryptoKeyIds": None}])
def test_a_signature_without_key_wants_one_made(block: dict[str, Any]) -> None:
    request = read(signature=block)
    assert (request.make_key, request.definition.signed, request.definition.key_ids) == (True, True, ())


@pytest.mark.parametrize("block", [{}, {"enabled": False}, {"secret": "whsec_x"}])
def test_a_signature_that_is_not_enabled_changes_nothing(block: dict[str, Any]) -> None:
    assert read() == read(signature=block)


@pytest.mark.parametrize("enabled", [0, 1, "true", [], {}])
def test_a_signature_is_enabled_or_not(enabled: Any) -> None:
    assert the_problem(signature={"enabled": enabled}) == ("/signature/enabled", "enabled must be true or false")


@pytest.mark.parametrize("ids", [0, "x", {}, KEY_IDS])
def test_key_ids_are_a_list_of_some_length(ids: Any) -> None:
    assert the_problem(signature={"enabled": True, "cryptoKeyIds": ids}) == (
        "/signature/cryptoKeyIds",
        f"cryptoKeyIds must be a list of at most {MAX_KEYS} key ids",
    )


@pytest.mark.parametrize("id_", [None, 0, "", "key_", "wat_" + "0" * 32, "key_" + "ab " * 10 + "ab", [], {}])
def test_each_key_id_is_one(id_: Any) -> None:
    assert the_problem(signature={"enabled": True, "cryptoKeyIds": [KEY_IDS[0], id_]}) == (
        "/signature/cryptoKeyIds/1",
        "must be the id of a crypto key, key_…",
    )


def test_no_key_is_named_twice() -> None:
    assert the_problem(signature={"enabled": True, "cryptoKeyIds": [KEY_IDS[0]] * 2}) == (
        "/signature/cryptoKeyIds/1",
        "this key is named twice",
    )


@pytest.mark.parametrize("name", NOT_YET)
def test_what_is_promised_but_missing_is_refused(name: str) -> None:
    assert the_problem(**{name: "certainly"}) == (f"/{name}", f"{name} is not yet supported; leave it out")


@pytest.mark.parametrize(("name", "defaults"), NOT_YET.items())
def test_what_is_promised_but_missing_may_have_its_default(name: str, defaults: tuple[Any, ...]) -> None:
    assert [read() for _ in defaults] == [read(**{name: default}) for default in defaults]
