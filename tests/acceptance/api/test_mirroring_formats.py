"""The session-assignment route speaks text/jsv and urlencoded forms, and tells what is wrong as a ResponseStatus."""

from __future__ import annotations

from typing import Any

import pytest

from hookward.domain.events.jsv import read_jsv
from tests.acceptance.api.mirrored import SESSION, Own, S

pytestmark = pytest.mark.asyncio(loop_scope="session")

JSV = {"Content-Type": "text/jsv"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SAMPLE = """{
\tEventID: 8814,
\tRegistrationID: 123,
\tBadgeNumber: ,
\tSessions:
\t[
\t\t{
\t\t\tName: "Keynote: Zoë, 1",
\t\t\tSessionID: 301
\t\t}
\t],
\tBypassCache: False,
\tDateCached: 2024-05-03T02:03:39.8946258-04:00,
\tDevice: Desktop
}""".encode()


async def the_resource(own: Own) -> dict[str, Any]:
    (document,) = await own.heard()
    resource: dict[str, Any] = document["resource"]
    return resource


async def test_a_jsv_body_is_typed_by_the_schema(own: Own) -> None:
    await own.watch(SESSION)
    status, _, headers = await own.send("POST", S, SAMPLE, **JSV)
    assert (status, headers["Content-Type"]) == (202, "application/json")
    assert await the_resource(own) == {
        "ClientID": own.number,
        "EventID": 8814,
        "RegistrationID": "123",
        "BadgeNumber": None,
        "Sessions": [{"Name": "Keynote: Zoë, 1", "SessionID": "301"}],
        "BypassCache": False,
        "DateCached": "2024-05-03T02:03:39.8946258-04:00",
        "Device": "Desktop",
    }


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_a_form_is_typed_by_the_schema(own: Own, method: str) -> None:
    await own.watch(SESSION)
    form = b"RegistrationID=R-1&SessionIds=301%2C302&Sessions=%5B%7BSessionID%3A301%7D%5D&BadgeNumber=7"
    assert (await own.send(method, S, form, **FORM))[0] == 202
    assert await the_resource(own) == {
        "ClientID": own.number,
        "EventID": 8814,
        "RegistrationID": "R-1",
        "SessionIds": [301, 302],
        "Sessions": [{"SessionID": "301"}],
        "BadgeNumber": 7,
    }


async def test_what_the_body_says_beats_the_query(own: Own) -> None:
    await own.watch(SESSION)
    path = S + "?RegistrationID=R-2&BadgeNumber=7&unknown=1&format=json"
    assert (await own.send("POST", path, {"RegistrationID": "R-1"}))[0] == 202
    assert await the_resource(own) == {
        "ClientID": own.number,
        "EventID": 8814,
        "RegistrationID": "R-1",
        "BadgeNumber": 7,
    }


@pytest.mark.parametrize(
    ("suffix", "accept", "kind"),
    [
        ("", None, "application/json"),
        ("", "text/jsv", "text/jsv"),
        ("", "text/html;q=0.9, text/jsv;q=0.5, application/json;q=0.4", "text/jsv"),
        ("", "application/json, text/jsv", "application/json"),
        ("", "text/jsv;q=0, */*;q=0.1", "application/json"),
        (".jsv", None, "text/jsv"),
        (".jsv?format=json", "application/json", "text/jsv"),
        (".json", "text/jsv", "application/json"),
        ("?format=jsv", "application/json", "text/jsv"),
        ("?format=xml", "text/jsv", "text/jsv"),
    ],
)
async def test_an_answer_comes_as_it_was_asked_for(own: Own, suffix: str, accept: str | None, kind: str) -> None:
    headers = {} if accept is None else {"Accept": accept}
    status, text, answered = await own.send("POST", S + suffix, {"RegistrationID": "R-1"}, **headers)
    assert (status, answered["Content-Type"]) == (202, kind)
    answer = read_jsv(text) if kind == "text/jsv" else text
    assert answer["id"].startswith("evt_")
    status, text, answered = await own.send("DELETE", S + suffix, None, **headers)
    problem = read_jsv(text) if kind == "text/jsv" else text
    assert (status, answered["Content-Type"], set(problem)) == (422, kind, {"ResponseStatus"})


async def test_everything_wrong_is_named_in_a_response_status(own: Own) -> None:
    given = {"EventID": 1, "BadgeNumber": "x", "Sessions": [{"SessionID": 301}]}
    status, answer, headers = await own.send("POST", S, given, **{"X-Request-Id": "mine-3"})
    said = answer["ResponseStatus"]
    assert (status, said["ErrorCode"], said["Meta"]) == (422, "UnprocessableEntity", {"requestId": "mine-3"})
    assert headers["X-Request-Id"] == "mine-3"
    fields = {each["FieldName"] for each in said["Errors"]}
    assert fields == {"EventID", "BadgeNumber", "Sessions.0.SessionID", "RegistrationID"}
    assert all(each["Message"] and each["ErrorCode"] == "UnprocessableEntity" for each in said["Errors"])


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Authorization": "Bearer wrong"}, b"{}", 401),
        ({"Content-Type": "text/plain"}, b"{}", 415),
        ({"Content-Type": "text/jsv; charset=latin-1"}, b"{}", 415),
        ({}, None, 400),
        (JSV, b"{a", 400),
        (JSV, b"{RegistrationID:\xff}", 400),
        (JSV, b"[" * 5000 + b"]" * 5000, 422),
        (JSV, b"[a]", 422),
        (JSV, b"{RegistrationID:R-1,EventID:" + b"9" * 400 + b"}", 422),
        (JSV, b"{RegistrationID:" + b"x" * (1 << 20) + b"}", 413),
        (FORM, b"RegistrationID=%FF", 400),
        (FORM, b"RegistrationID=R-1&EventID=x", 422),
        (FORM, b"&".join([b"a=1"] * 1001), 400),
        (FORM, b"RegistrationID=R-1&Sessions=" + b"[" * 200, 422),
    ],
)
async def test_every_refusal_is_a_response_status(
    own: Own, headers: dict[str, str], body: bytes | None, status: int
) -> None:
    answered, answer, _ = await own.send("POST", S, body, **headers)
    assert (answered, set(answer), bool(answer["ResponseStatus"]["Message"])) == (status, {"ResponseStatus"}, True)


async def test_a_client_that_is_no_number_is_a_wrong_parameter(own: Own) -> None:
    path = S.replace("{number}", "none")
    status, answer, _ = await own.send("DELETE", path + "?RegistrationID=R-1")
    assert (status, [each["FieldName"] for each in answer["ResponseStatus"]["Errors"]]) == (422, ["ClientID"])


async def test_other_routes_keep_to_json_whatever_is_asked_for(own: Own) -> None:
    status, answer, headers = await own.send("DELETE", "/queues/{own}/registrations/r1?format=jsv", Accept="text/jsv")
    assert (status, headers["Content-Type"], answer["id"][:4]) == (202, "application/json", "evt_")
