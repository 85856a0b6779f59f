"""What the contract's words say of a watch's properties, where no other test of them asks."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from typing import Any

import pytest

from tests.acceptance.api.callers import new_tenant
from tests.acceptance.api.mirrored import CONFERENCE, EVENT, Own
from tests.receiver import Receiver, Reply
from tests.service import Service, event, new_company, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

ADDRESS = "https://example.com/hook"


async def make(service: Service, **more: Any) -> dict[str, Any]:
    given = {"resourceType": "appointment", "scope": {"companyId": new_company()}, "address": ADDRESS, **more}
    made: dict[str, Any] = await service.ask("POST", "/v1/watches", expect=201, json=given)
    return made


async def refused(service: Service, **given: Any) -> list[str]:
    watch = {"resourceType": "appointment", "address": ADDRESS, **given}
    problem = await service.ask("POST", "/v1/watches", expect=422, json=watch)
    return [each["pointer"] for each in problem["errors"]]


@pytest.mark.parametrize(
    "address",
    [
        "https://${$.id}.example.com/", "https://${$.id}/", "https://example.com:${$.id}/", "${$.id}://example.com/",
        "https://${$.id}@example.com/", "${$.id}", "https://example.com${$.id}/", "https://example.com/#${$.id}",
    ],
)  # fmt: skip
async def test_a_placeholder_may_stand_in_path_and_query_alone(service: Service, address: str) -> None:
    assert set(await refused(service, address=address)) == {"/address"}


async def test_an_address_is_required(service: Service) -> None:
    for given in ({"address": None}, {"address": ""}, {"address": 7}):
        assert await refused(service, **given) == ["/address"]


@pytest.mark.parametrize(
    "name",
    ["host", "HOST", "Trailer", "Proxy-Connection", "proxy-authorization", "webhook-signature", "Webhook-Anything"],
)
async def test_a_reserved_header_is_refused_however_it_is_written(service: Service, name: str) -> None:
    assert await refused(service, httpRequestHeader={name: "1"}) == [f"/httpRequestHeader/{name}"]


async def test_authorization_is_a_header_like_others_unless_auth_sets_it(service: Service, receiver: Receiver) -> None:
    header = {"Authorization": "Token t", "User-Agent": "mine", "Content-Type": "application/vnd.mine+json"}
    header |= {"!#$%&'*+-.^_`|~9a": "any RFC 9110 name", "X-Empty": "", "X-Long": "ü" * 2000}
    auth = {"username": "u", "password": "p"}
    assert await refused(service, basicAuth=auth, httpRequestHeader=header) == ["/httpRequestHeader/Authorization"]
    mine = new_company()
    await service.create_watch(receiver.url, company=mine, httpRequestHeader=header)
    await service.publish(event("1", company=mine))
    await wait_until(lambda: receiver.requests)
    sent = receiver.requests[0].headers
    found = {name: sent[name.lower()].encode("latin-1").decode() for name in header}
    assert found == header


async def test_no_header_is_sent_twice(service: Service, receiver: Receiver) -> None:
    watch = await make(service, address=receiver.url, httpRequestHeader={"content-type": "a/b", "USER-AGENT": "me"})
    attempt = await service.ask("POST", f"/v1/watches/{watch['id']}/test", expect=200)
    counts = Counter(name.lower() for name in attempt["request"]["headers"])
    assert (counts["content-type"], counts["user-agent"], max(counts.values())) == (1, 1, 1)
    assert receiver.requests[0].headers["content-type"] == "a/b"


async def test_details_that_no_publisher_sent_are_those_of_the_resource(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    await service.create_watch(receiver.url, company=mine, levelDetails="extraFull")
    await service.publish(event("1", company=mine, resource={"id": "1", "notes": "plain"}))
    await wait_until(lambda: receiver.requests)
    assert json.loads(receiver.requests[0].body)["notes"] == "plain"


async def test_a_template_sees_the_details_that_its_watch_asked_for(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    for level in ("full", "extraFull"):
        given = {"schema": {"notes": "${$.notes}", "before": "${$.previousData.notes}"}, "levelDetails": level}
        await service.create_watch(f"{receiver.url}/{level}", company=mine, addPreviousData=level == "full", **given)
    details = {"extraFull": {"id": "1", "notes": "extra"}, "previousData": {"id": "1", "notes": "old"}}
    await service.publish(event("1", company=mine, resource={"id": "1", "notes": "plain"}, **details))
    await wait_until(lambda: len(receiver.requests) == 2)
    assert {each.path: json.loads(each.body) for each in receiver.requests} == {
        "/full": {"notes": "plain", "before": "old"}, "/extraFull": {"notes": "extra", "before": ""},
    }  # fmt: skip


@pytest.mark.parametrize(("given", "shown"), [(True, True), ("true", True), (False, False), ("false", False)])
async def test_previous_data_is_asked_for_by_a_word_or_a_boolean(service: Service, given: Any, shown: bool) -> None:
    assert (await make(service, addPreviousData=given))["addPreviousData"] is shown


async def test_the_document_of_a_wrapped_type_holds_what_the_contract_says_and_no_more(own: Own) -> None:
    given = {"address": own.receiver.url, "addPreviousData": True, "timeZone": "Europe/Paris"}
    await own.service.ask("POST", own.path("/registrations/{own}/watch"), expect=201, json=given)
    change = {"resourceType": EVENT, "scope": {"tenantId": own.own}, "event": "updated", "resource": {"id": "r1"}}
    await own.service.publish({**change, "previousData": {"id": "r1", "status": "draft"}})
    await own.service.publish({**change, "event": "deleted"})
    documents = sorted(await own.heard(2), key=lambda each: each["event"], reverse=True)
    dates = [each.pop("date") for each in documents]
    expected = {key: change[key] for key in ("resourceType", "scope", "resource")}
    assert documents == [
        {**expected, "event": "updated", "previousData": {"id": "r1", "status": "draft"}},
        {**expected, "event": "deleted"},
    ]
    assert [(each.keys(), each["timeZone"]) for each in dates] == [({"dateTime", "timeZone"}, "Europe/Paris")] * 2


SELECTING = [
    '$[?(@.status == "accepted")]', "$[?@.status == 'accepted' && @.client.id == 'c1']", "$[?$.status == 'accepted']",
    '$[?$.status != "cancelled"]', "$.client[?(@.id == 'c1')]", "$[?(@.firstName == 'Ana')]", "$.form[?(@.id == 'f2')]",
    "$.form[?@.page > 2].id", "$.status", "$.notes", "$.form[*].id", "$['client']['id']", "$[?(@.event == 'updated')]",
]  # fmt: skip
UNSELECTING = [
    '$[?(@.status == "declined")]', "$[?@.status == 'accepted' && @.client.id == 'c2']", "$.no", "$.client.no",
    '$[?$.status != "accepted"]', "$.client[?(@.id == 'c2')]", "$[?(@.firstName == 'Bo')]", "$.form[?(@.id == 'f3')]",
    "$.form[?@.page > 3]", "$.form[2]", "$.status[0]", "$[?(@.event == 'created')]",
]  # fmt: skip


async def test_a_filter_delivers_what_it_selects_something_in(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    for text in (*SELECTING, *UNSELECTING):
        await service.create_watch(receiver.url, company=mine, filter=text, name=text)
    resource = {
        "id": "1", "status": "accepted", "client": {"id": "c1", "firstName": "Ana"}, "notes": None,
        "form": [{"id": "f1", "page": 2}, {"id": "f2", "page": 3}],
    }  # fmt: skip
    published = await service.publish(event("1", company=mine, resource=resource))
    found = await wait_until(lambda: matched(service, published))
    assert sorted(each["watch"]["name"] for each in found["deliveries"]) == sorted(SELECTING)


async def matched(service: Service, published: str) -> dict[str, Any] | None:
    found: dict[str, Any] = await service.ask("GET", f"/v1/events/{published}", expect=200)
    return None if found["state"] == "pending" else found


# Changing.


async def test_read_only_properties_that_are_sent_back_are_ignored_in_whatever_form(service: Service) -> None:
    watch = await make(service, scope={"companyId": 42}, name="before")
    path = f"/v1/watches/{watch['id']}"
    own = {"id": "wat_" + "0" * 32, "created": None, "updated": 7, "owner": ["x"], "statusReason": {"a": 1}}
    for scope in ({"companyId": "42"}, {"companyId": 42}, None):
        for method in ("PUT", "PATCH"):
            name = uuid.uuid4().hex
            given = {"address": ADDRESS, "name": name, "scope": scope, "resourceType": "appointment", **own}
            if method == "PATCH" and scope is None:
                del given["scope"]  # a null would remove it
            changed = await service.ask(method, path, expect=200, json=given)
            assert {**changed, "updated": None} == {**watch, "name": name, "updated": None}
    problem = await service.ask("PUT", path, expect=422, json={"address": ADDRESS, "unheard": 1, **own})
    assert [each["pointer"] for each in problem["errors"]] == ["/unheard"]


async def test_any_value_of_a_session_reads_back_and_may_be_sent_back(service: Service) -> None:
    route = "/conferences/c/sessions/0/registrations/watch"
    watch = await service.ask("POST", route, expect=201, json={"address": ADDRESS})
    assert (watch["resourceType"], watch["scope"]) == (CONFERENCE, {"conferenceId": "c", "sessionId": "0"})
    path = f"/v1/watches/{watch['id']}"
    assert await service.ask("PUT", path, expect=200, json=watch) == watch
    again = {**watch, "scope": {"conferenceId": "c", "sessionId": 0}}
    assert await service.ask("PUT", path, expect=200, json=again) == watch


async def test_a_new_watch_has_the_defaults_that_the_contract_names(service: Service) -> None:
    tenant = await new_tenant(service)  # its scope is any
    watch = await tenant.ask(
        "POST", "/v1/watches", expect=201, json={"resourceType": "appointment", "address": ADDRESS}
    )
    assert watch["id"].startswith("wat_")
    expected = {
        "scope": {}, "events": ["created", "updated", "deleted", "merged"], "method": "POST", "status": "enabled",
        "levelDetails": "full", "addPreviousData": False, "storeBodies": "all", "retry": None, "timeout": None,
        "concurrency": None, "statusReason": None, "signature": {"enabled": False, "cryptoKeyIds": []},
    }  # fmt: skip
    assert {name: watch[name] for name in expected} == expected


@pytest.mark.parametrize("name", ["", " ", "Zoë's \U0001f98a\nsecond line\t", 'a "b" \\ <c>', "a\0b", "x" * 255])
async def test_a_name_is_free_text(service: Service, name: str) -> None:
    watch = await make(service, name=name)
    assert watch["name"] == name
    assert await service.ask("GET", f"/v1/watches/{watch['id']}", expect=200) == watch


async def test_what_the_body_says_on_a_watch_route_is_what_the_path_says(service: Service) -> None:
    path = "/sessions/7/registrations/watch"
    given = {"address": ADDRESS, "resourceType": CONFERENCE}
    for scope in ({"sessionId": "7"}, {"sessionId": 7}, None):
        made = await service.ask("POST", path, expect=201, json={**given, "scope": scope})
        assert made["scope"] == {"sessionId": "7"}
    wrong: Any
    for wrong in ({"sessionId": "7", "conferenceId": "c"}, {"sessionId": "8"}, {}, {"x": "7"}, [], "7"):
        problem = await service.ask("POST", path, expect=422, json={**given, "scope": wrong})
        assert [each["pointer"] for each in problem["errors"]] == ["/scope"]
    problem = await service.ask("POST", path, expect=422, json={"resourceType": EVENT, "address": "x", "scope": {}})
    assert {each["pointer"] for each in problem["errors"]} == {"/resourceType", "/scope", "/address"}


# Templates.


async def preview(service: Service, schema: Any, document: Any) -> Any:
    given = {"schema": schema, "document": document}
    return (await service.ask("POST", "/v1/watches/preview", expect=200, json=given))["body"]


async def test_an_escaped_placeholder_is_itself_in_every_kind_of_template(service: Service) -> None:
    document = {"a": 'quote " and \\', "n": 7}
    text = '{"literal": "$${$.a}", "escaped": "<${$.a}>", "n": ${$.n}, "s": "${$.n}", "none": "[${$.no}]"}'
    assert await preview(service, text, document) == {
        "literal": "${$.a}", "escaped": '<quote " and \\>', "n": 7, "s": "7", "none": "[]",
    }  # fmt: skip
    assert await preview(service, {"deep": [["$${$.a} ${$.n}", 1.5, None, True]]}, document) == {
        "deep": [["${$.a} 7", 1.5, None, True]]
    }


async def test_every_string_of_a_template_is_judged_when_it_is_saved_and_named_by_its_place(service: Service) -> None:
    schema = {
        "end": "${$.id", "bad": ["fine", {"path": "${$.[}"}], "deep": "${$" + ".a" * 33 + "}",
        "long": "${$." + "a" * 600 + "}", "node": "${$.form[?@.id =~ '.*']}", "sum": "${$.a + 1}", "all": "${$..id}",
        "fine": "${$.id}",
    }  # fmt: skip
    expected = {f"/schema/{name}" for name in ("end", "bad/1/path", "deep", "long", "node", "sum", "all")}
    assert set(await refused(service, schema=schema)) == expected
    watch = await make(service)
    problem = await service.ask("PATCH", f"/v1/watches/{watch['id']}", expect=422, json={"schema": schema})
    assert {each["pointer"] for each in problem["errors"]} == expected


async def test_a_template_is_tried_on_the_sample_of_its_type(service: Service) -> None:
    at_fault = '{"first": ${$.client.firstName}${$.id}}'  # two values side by side
    assert await refused(service, schema=at_fault) == ["/schema"]
    await make(service, schema='{"first": ${$.client.firstName}, "id": ${$.id}}')


# Status.


async def test_what_a_watch_is_told_of_its_deliveries_while_it_is_disabled(
    service: Service, receiver: Receiver
) -> None:
    mine = new_company()
    watch = await service.create_watch(receiver.url, company=mine, status="disabled")
    disabled = await service.publish(event("disabled", company=mine))
    await service.ask("PATCH", f"/v1/watches/{watch}", expect=200, json={"status": "enabled"})
    after = await service.publish(event("after", company=mine))

    async def delivered() -> object:
        return await service.deliveries(eventId=after, status="delivered")

    await wait_until(delivered)
    assert await service.deliveries(eventId=disabled) == []
    assert len(receiver.requests) == 1


async def test_a_put_that_says_no_status_enables_what_was_gone(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    watch = await service.create_watch(receiver.on("/gone", Reply(status=410)), company=mine)
    await service.publish(event("1", company=mine))

    async def disabled() -> dict[str, Any] | None:
        shown: dict[str, Any] = await service.ask("GET", f"/v1/watches/{watch}", expect=200)
        return shown if shown["status"] == "disabled" else None

    shown = await wait_until(disabled)
    assert shown["statusReason"] == "gone"
    put = await service.ask("PUT", f"/v1/watches/{watch}", expect=200, json={"address": receiver.url + "/back"})
    assert (put["status"], put["statusReason"]) == ("enabled", None)
    await service.publish(event("2", company=mine))
    await wait_until(lambda: receiver.at("/back"))
