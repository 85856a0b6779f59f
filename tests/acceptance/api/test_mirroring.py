"""Every operation of the five APIs, repeated at its own method and path: which event arrives, or that none does."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import pytest

from tests.acceptance.api.mirrored import APPOINTMENT, CONFERENCE, EVENT, QUEUE, SAMPLES, SESSION, A, C, E, Own, Q, S
from tests.service import event

pytestmark = pytest.mark.asyncio(loop_scope="session")

MERGED = {CONFERENCE, QUEUE, APPOINTMENT}


@dataclass(frozen=True, kw_only=True)
class Case:
    """An operation: what is sent, and the event and resource that should arrive for it."""

    type: str
    method: str
    path: str
    body: Any = None
    event: str
    resource: Mapping[str, Any] = field(default_factory=dict)


def whole(name: str, **changes: Any) -> dict[str, Any]:
    """The sample as the API would send it, with ``changes``."""
    return {**SAMPLES[name], **changes}


CHANGES = [
    Case(type=CONFERENCE, method="POST", path=C, body=whole(CONFERENCE, id="r1"), event="created",
         resource=whole(CONFERENCE, id="r1")),
    Case(type=CONFERENCE, method="PUT", path=C + "/r1", body={"seats": 2, "status": "waitingList"}, event="updated",
         resource={"id": "r1", "seats": 2, "status": "waitingList"}),
    Case(type=CONFERENCE, method="PATCH", path=C + "/r1", body={"seats": 2}, event="updated",
         resource={"id": "r1", "seats": 2}),
    Case(type=CONFERENCE, method="DELETE", path=C + "/r1", body={"reason": "ill", "source": "phone"}, event="deleted",
         resource={"id": "r1", "cancelReason": "ill", "cancelSource": "phone"}),
    Case(type=CONFERENCE, method="DELETE", path=C + "/r1", event="deleted", resource={"id": "r1"}),
    Case(type=QUEUE, method="POST", path=Q, body=whole(QUEUE, id="r1"), event="created",
         resource=whole(QUEUE, id="r1")),
    Case(type=QUEUE, method="POST", path=Q + "/next", body=whole(QUEUE, id="r1", status="inProgress"), event="updated",
         resource=whole(QUEUE, id="r1", status="inProgress")),
    Case(type=QUEUE, method="PUT", path=Q + "/r1", body={"status": "finished"}, event="updated",
         resource={"id": "r1", "status": "finished"}),
    Case(type=QUEUE, method="PATCH", path=Q + "/r1", body={"status": "noShow", "id": "r1"}, event="updated",
         resource={"id": "r1", "status": "noShow"}),
    Case(type=QUEUE, method="DELETE", path=Q + "/r1", event="deleted", resource={"id": "r1"}),
    Case(type=APPOINTMENT, method="POST", path=A + "?lang=fr&silent=true", body=whole(APPOINTMENT, id="a1"),
         event="created", resource=whole(APPOINTMENT, id="a1")),
    Case(type=APPOINTMENT, method="PUT", path=A + "/a1?calculateGeolocation=true&force=true", body={"notes": "Zoë"},
         event="updated", resource={"id": "a1", "notes": "Zoë"}),
    Case(type=APPOINTMENT, method="PUT", path=A + "/REF-1", body=whole(APPOINTMENT, id="a1", reference="REF-1"),
         event="updated", resource=whole(APPOINTMENT, id="a1", reference="REF-1")),
    Case(type=APPOINTMENT, method="PATCH", path=A + "/a1", body={"status": "noShow"}, event="updated",
         resource={"id": "a1", "status": "noShow"}),
    Case(type=APPOINTMENT, method="DELETE", path=A + "/a1?silent=true", event="deleted", resource={"id": "a1"}),
    Case(type=EVENT, method="POST", path=E, body=whole(EVENT, id="r1"), event="created",
         resource=whole(EVENT, id="r1")),
    Case(type=EVENT, method="PUT", path=E + "/r1", body=whole(EVENT, id="r1"), event="updated",
         resource=whole(EVENT, id="r1")),
    Case(type=EVENT, method="PATCH", path=E + "/r1", body={"status": "active"}, event="updated",
         resource={"id": "r1", "status": "active"}),
    Case(type=EVENT, method="DELETE", path=E + "/r1", event="deleted", resource={"id": "r1"}),
    Case(type=EVENT, method="PUT", path=E + "/transfer/r1/contact-2", body={"send_confirmation_email": True},
         event="updated", resource={"id": "r1", "contact_id": "contact-2"}),
    Case(type=EVENT, method="POST", path=E + "/batch", event="updated", resource={"id": "r1", "status": "active"},
         body={"operations": [{"operation": "patch", "id": "r1", "payload": {"status": "active"}}]}),
    Case(type=EVENT, method="POST", path=E + "/batch", event="deleted", resource={"id": "r1"},
         body={"operations": [{"operation": "delete", "id": "r1"}]}),
    Case(type=SESSION, method="POST", path=S, body={"RegistrationID": "R-1", "SessionIds": [301]}, event="created",
         resource={"EventID": 8814, "RegistrationID": "R-1", "SessionIds": [301]}),
    Case(type=SESSION, method="DELETE", path=S, body={"RegistrationID": "R-1", "EventID": 8814}, event="deleted",
         resource={"EventID": 8814, "RegistrationID": "R-1"}),
    Case(type=SESSION, method="DELETE", path=S + "?RegistrationID=R-1&SessionIds=301,302&x=y", event="deleted",
         resource={"EventID": 8814, "RegistrationID": "R-1", "SessionIds": [301, 302]}),
]  # fmt: skip


def _resource(name: str, document: dict[str, Any]) -> dict[str, Any]:
    if name in MERGED:
        return {key: value for key, value in document.items() if key not in ("event", "date")}
    resource: dict[str, Any] = document["resource"]
    return resource


@pytest.mark.parametrize("case", CHANGES, ids=lambda case: f"{case.method} {case.path} {case.event}")
async def test_an_operation_that_changes_something_is_that_event(own: Own, case: Case) -> None:
    await own.watch(case.type)
    status, answer, _ = await own.send(case.method, case.path, case.body)
    assert status == 202, answer
    published = answer["results"][0]["id"] if "results" in answer else answer["id"]
    (document,) = await own.heard()
    resource = {"ClientID": own.number, **case.resource} if case.type == SESSION else case.resource
    assert (document["event"], _resource(case.type, document)) == (case.event, resource)
    assert own.receiver.requests[0].headers["hookward-event"] == f"{case.type}.{case.event}"
    assert published.startswith("evt_")


UNCHANGING = [
    *[(CONFERENCE, "GET", path) for path in (C, C + "/r1", C + "?fields=id&withCancelled=true")],
    *[(QUEUE, "GET", path) for path in (Q, Q + "/r1", Q + "?status=registered", Q + "/next")],
    *[(APPOINTMENT, "GET", path) for path in (A, A + "/a1?levelDetail=light", A + "/REF-1")],
    *[
        (EVENT, "GET", E + path)
        for path in (
            "/r1", "/certificate/r1", "/registrationModificationPayload/r1", "/contact/c", "/eventContact/e/c",
            "/parentRegistration/r1", "/order/o", "/group/g", "/eventOrganization/e/o",
        )
    ],
    *[
        (EVENT, "POST", E + path)
        for path in (
            "/search", "/generateOrder", "/generateGroupOrder/g", "/portal/detectSchedulingConflicts",
            "/resendConfirmationEmail/r1", "/previewEmail", "/previewCertificate",
        )
    ],
    (SESSION, "GET", S),
]  # fmt: skip


@pytest.mark.parametrize(("name", "method", "path"), UNCHANGING, ids=str)
async def test_an_operation_that_changes_nothing_is_no_event(own: Own, name: str, method: str, path: str) -> None:
    await own.watch(name)
    status, problem, _ = await own.send(method, path, SAMPLES[name] if method == "POST" else None)
    assert (status, problem["status"]) == ((404, 404) if method == "POST" else (status, status))
    assert status in (404, 405)
    assert await own.heard_only(name)


@pytest.mark.parametrize(
    ("name", "method", "path", "status"),
    [
        (EVENT, "PUT", E + "/search", 404), (EVENT, "DELETE", E + "/previewEmail", 404),
        (EVENT, "DELETE", E + "/watch", 405), (EVENT, "PUT", E + "/batch", 405), (EVENT, "POST", E + "/r1", 405),
        (QUEUE, "DELETE", Q + "/watch", 405), (QUEUE, "PUT", Q + "/next", 405), (SESSION, "PUT", S, 405),
        (SESSION, "DELETE", S + "/watch", 405),
    ],
)  # fmt: skip
async def test_what_is_no_operation_of_the_api_is_no_event(
    own: Own, name: str, method: str, path: str, status: int
) -> None:
    await own.watch(name)
    answered, problem, headers = await own.send(method, path, {"id": "r1"})
    assert (answered, "Allow" in headers, problem["status"]) == (status, status == 405, status)
    assert await own.heard_only(name)


async def test_the_paths_answer_below_each_prefix(own: Own) -> None:
    await own.watch(APPOINTMENT)
    assert (await own.send("DELETE", "/api/2.3" + A + "/a1"))[0] == 202
    assert (await own.send("POST", "/api/2.3" + E + "/search", {}))[0] == 404
    (document,) = await own.heard()
    assert (document["event"], document["id"]) == ("deleted", "a1")


async def test_a_session_is_heard_of_by_those_who_watch_every_session(own: Own) -> None:
    given = {"address": own.receiver.url + "/all"}
    every = own.path("/conferences/{own}/sessions/0/registrations/watch")
    await own.service.ask("POST", every, expect=201, json=given)
    assert (await own.send("DELETE", C + "/r1"))[0] == 202
    assert len(await own.heard()) == 1


async def test_an_idempotency_key_answers_the_first_event_and_refuses_another(own: Own) -> None:
    await own.watch(APPOINTMENT)
    key = uuid.uuid4().hex
    first = await own.send("PUT", A + "/a1", {"notes": "x"}, **{"Idempotency-Key": key})
    again = await own.send("PUT", A + "/a1", {"notes": "x"}, **{"Idempotency-Key": key})
    plain = await own.service.publish(
        {
            "resourceType": APPOINTMENT, "scope": {"companyId": own.own}, "event": "updated",
            "resource": {"notes": "x", "id": "a1"}, "id": key,
        }
    )  # fmt: skip
    assert (first[0], again[0], first[1]["id"], plain) == (202, 202, again[1]["id"], first[1]["id"])
    for path, body in ((A + "/a2", {"notes": "x"}), (A + "/a1", {"notes": "y"})):
        status, problem, _ = await own.send("PUT", path, body, **{"Idempotency-Key": key})
        assert (status, problem["errors"][0]["parameter"]) == (422, "Idempotency-Key")
    await own.send("DELETE", A + "/a1")
    assert [each["event"] for each in await own.heard(2)] == ["updated", "deleted"]


@pytest.mark.parametrize("odd", ["%00", "%0A", "%7F", "a%2Fb", "%E2%80%A8", "%F0%9F%A6%86"])
async def test_a_value_of_the_scope_is_the_same_text_in_a_path_and_in_a_body(own: Own, odd: str) -> None:
    value = own.own + unquote(odd)
    await own.service.create_watch(f"{own.receiver.url}/by-value", company=value)
    path = f"/companies/{own.own}{odd}/appointments"
    given = {"address": f"{own.receiver.url}/by-path"}
    await own.service.ask("POST", f"{path}/watch", expect=201, json=given)
    await own.service.publish(event("by-value", company=value))
    accepted = await own.service.ask("POST", path, expect=202, json={"id": "by-path"})
    assert sorted(each["id"] for each in await own.heard(4)) == ["by-path", "by-path", "by-value", "by-value"]
    found = await own.service.ask("GET", f"/v1/events/{accepted['id']}", expect=200)
    assert found["scope"] == {"companyId": value}
