"""Attempts with access tokens: what is sent, what is recorded, and what waits for somebody to authorize."""

from __future__ import annotations

import msgspec
import pytest

from hookward.adapters.crypto.sealing import AesGcmSealer
from hookward.application.delivery.executor import NO_STORE_SECONDS
from hookward.application.records import WatchRecord, seal_subject
from hookward.domain.delivery.model import Attempt, DeliveryStatus
from hookward.domain.delivery.outcome import ErrorKind, Outcome, Response
from hookward.domain.delivery.request import OutgoingRequest
from hookward.domain.errors import StoreUnavailable
from hookward.domain.ids import CredentialId
from hookward.domain.oauth.model import AuthorizationRequired, GrantType, NoToken, OAuthDefinition, variant_of
from hookward.domain.watches.model import WatchSecrets, WatchStatus
from tests.fakes.oauth import CREDENTIAL, FakeTokens
from tests.fakes.worker_harness import LOOP_FACTORIES, Endpoint, WorkerHarness, hang, ok, status

__all__ = ["LOOP_FACTORIES"]

ADDRESS = "http://a.test/"
OAUTH = OAuthDefinition(client_id="client", access_token_url="https://auth.test/token")
DELIVERED, FAILED, PENDING, RETRYING = (
    DeliveryStatus.DELIVERED, DeliveryStatus.FAILED, DeliveryStatus.PENDING, DeliveryStatus.RETRYING
)  # fmt: skip


def authorized(house: WorkerHarness, **values: object) -> WatchRecord:
    """A watch that wants tokens."""
    row = house.watch(ADDRESS, oauth=OAUTH, **values)  # type: ignore[arg-type]
    row = msgspec.structs.replace(row, credential=CREDENTIAL)
    house.store.watches[row.id] = row
    return row


def answers(*codes: int) -> Endpoint:
    left = list(codes)
    return lambda _request: Outcome(
        duration_us=1000, answer=Response(status=left.pop(0) if len(left) > 1 else left[0], headers=(), body=b"")
    )


async def attempts(house: WorkerHarness) -> list[Attempt]:
    """Publish one event, and what became of it when it is done."""
    await house.begin()
    house.publish()
    await house.settled()
    [logged] = house.store.log.values()
    return logged.attempts


def sent_tokens(house: WorkerHarness) -> list[str | None]:
    return [dict(each.headers + each.changing).get("Authorization") for each in house.endpoints.received]


def shown(attempt: Attempt) -> dict[str, str]:
    headers: dict[str, str] = msgspec.json.decode(attempt.request)["headers"]
    return headers


async def test_a_request_carries_the_token_and_the_log_does_not(house: WorkerHarness) -> None:
    house.tokens = FakeTokens("canary")
    authorized(house)
    [attempt] = await attempts(house)
    assert (sent_tokens(house), shown(attempt)["Authorization"]) == (["Bearer canary"], "Bearer ********")
    assert b"canary" not in attempt.request


async def test_an_endpoint_that_answers_with_the_token_does_not_put_it_into_the_log(house: WorkerHarness) -> None:
    def echo(request: OutgoingRequest) -> Outcome:
        sent = dict(request.headers + request.changing)["Authorization"]
        answer = Response(status=200, headers=(("X-Echo", sent),), body=f"you sent {sent}".encode())
        return Outcome(duration_us=1000, answer=answer)

    house.tokens = FakeTokens("canary-token")
    authorized(house)
    house.endpoints.script[ADDRESS] = echo
    [attempt] = await attempts(house)
    assert (attempt.response, attempt.response_body) == (b'{"X-Echo":"Bearer ********"}', b"you sent Bearer ********")


async def test_a_token_is_asked_for_with_all_that_the_watch_gives(house: WorkerHarness) -> None:
    house.sealer = AesGcmSealer(b"k" * 32)
    row = authorized(house)
    secrets = house.sealer.seal(msgspec.json.encode(WatchSecrets(client_secret="hush")), seal_subject(row))
    house.change(row, secrets=secrets)
    await attempts(house)
    [(grant, refused, seconds)] = house.tokens.asked
    assert (grant.account, grant.credential, grant.definition, grant.client_secret) == (1, CREDENTIAL, OAUTH, "hush")
    assert (grant.variant, refused, seconds) == (variant_of(OAUTH, "hush"), None, 15.0)


async def test_a_watch_without_oauth_asks_for_no_token(house: WorkerHarness) -> None:
    house.watch(ADDRESS)
    await attempts(house)
    assert (house.tokens.asked, sent_tokens(house)) == ([], [None])


async def test_a_watch_that_has_lost_its_credential_sends_nothing_and_spends_no_attempt(house: WorkerHarness) -> None:
    house.watch(ADDRESS, oauth=OAUTH)
    await house.begin()
    house.publish()
    await house.until(lambda: house.statuses() == {PENDING: 1})
    [logged] = house.store.log.values()
    assert (house.endpoints.received, logged.attempts) == ([], [])
    assert logged.reason == "its request cannot be made: its oauth2Auth has no credential"


async def test_a_401_forces_one_other_token_and_one_other_request_within_the_attempt(house: WorkerHarness) -> None:
    house.tokens = FakeTokens("old", "new")
    house.endpoints.script[ADDRESS] = answers(401, 204)
    authorized(house)
    [attempt] = await attempts(house)
    assert sent_tokens(house) == ["Bearer old", "Bearer new"]
    assert [refused for _, refused, _ in house.tokens.asked] == [None, "old"]
    assert (attempt.number, attempt.code) == (1, 204)
    assert {dict(each.changing)["hookward-attempt"] for each in house.endpoints.received} == {"1"}
    assert len({each.body for each in house.endpoints.received}) == 1


async def test_an_endpoint_that_goes_on_to_answer_401_is_asked_twice_an_attempt(house: WorkerHarness) -> None:
    house.endpoints.script[ADDRESS] = status(401)
    authorized(house)
    made = await attempts(house)
    assert ([each.code for each in made], len(house.endpoints.received)) == ([401, 401, 401], 6)


async def test_a_token_that_others_had_already_is_tried_before_one_is_asked_for(house: WorkerHarness) -> None:
    house.tokens = FakeTokens("own", "theirs", "new")
    house.tokens.old = {"own", "theirs"}
    house.endpoints.script[ADDRESS] = answers(401, 401, 200)
    authorized(house)
    [attempt] = await attempts(house)
    assert [refused for _, refused, _ in house.tokens.asked] == [None, "own", "theirs"]
    assert (sent_tokens(house), attempt.code) == (["Bearer own", "Bearer theirs", "Bearer new"], 200)


async def test_an_endpoint_that_goes_on_to_answer_401_is_asked_no_more_often_whatever_others_had(
    house: WorkerHarness,
) -> None:
    house.tokens.old = {"token"}
    house.endpoints.script[ADDRESS] = status(401)
    authorized(house, retry=())
    [attempt] = await attempts(house)
    assert (attempt.code, len(house.endpoints.received)) == (401, 3)


@pytest.mark.parametrize("code", [400, 403, 407, 500])
async def test_no_other_answer_forces_a_token(house: WorkerHarness, code: int) -> None:
    house.endpoints.script[ADDRESS] = answers(code, 200)
    authorized(house)
    await attempts(house)
    assert [refused for _, refused, _ in house.tokens.asked] == [None, None]


async def test_without_a_token_the_attempt_failed_and_nothing_was_sent(house: WorkerHarness) -> None:
    house.tokens = FakeTokens(NoToken("the token endpoint answered 503"), "token", takes=2.0)
    authorized(house)
    first, second = await attempts(house)
    assert (first.error, first.message, first.code) == ("oauth", "the token endpoint answered 503", None)
    assert (first.duration_us, "Authorization" in shown(first)) == (2_000_000, False)
    assert (second.number, second.code, len(house.endpoints.received)) == (2, 200, 1)


async def test_the_body_of_an_attempt_without_a_token_is_that_of_its_retries(house: WorkerHarness) -> None:
    house.tokens = FakeTokens(NoToken("no"), "token")
    authorized(house)
    first, second = await attempts(house)
    assert (first.request_body, second.request_body) == (house.endpoints.received[0].body, None)


async def test_a_token_endpoint_in_a_forbidden_network_ends_the_delivery(house: WorkerHarness) -> None:
    house.tokens = FakeTokens(NoToken("forbidden", ErrorKind.FORBIDDEN_ADDRESS))
    authorized(house)
    [attempt] = await attempts(house)
    assert (attempt.error, house.statuses()) == ("forbidden_address", {FAILED: 1})


async def test_a_401_for_which_there_is_no_other_token_says_both(house: WorkerHarness) -> None:
    house.tokens = FakeTokens("old", NoToken("the token endpoint answered 503"), "new")
    house.endpoints.script[ADDRESS] = answers(401, 200)
    authorized(house)
    first, _ = await attempts(house)
    assert (first.error, shown(first)["Authorization"]) == ("oauth", "Bearer ********")
    assert first.message == (
        "the endpoint answered 401, and there is no other access token: the token endpoint answered 503"
    )


async def test_a_401_is_one_when_our_stores_keep_us_from_another_token(house: WorkerHarness) -> None:
    house.tokens = FakeTokens("old", StoreUnavailable("away"), "new")
    house.endpoints.script[ADDRESS] = answers(401, 200)
    authorized(house)
    first, second = await attempts(house)
    assert (first.code, first.error, second.code) == (401, None, 200)


async def test_when_our_stores_keep_us_from_a_token_no_attempt_is_spent(house: WorkerHarness) -> None:
    house.tokens = FakeTokens(StoreUnavailable("PostgreSQL: away"), "token")
    authorized(house)
    began = house.clock.monotonic()
    [attempt] = await attempts(house)
    assert (attempt.number, attempt.code) == (1, 200)
    assert NO_STORE_SECONDS <= house.clock.monotonic() - began < 2 * NO_STORE_SECONDS


async def test_token_and_request_share_the_timeout_of_the_attempt(house: WorkerHarness) -> None:
    house.tokens = FakeTokens("token", takes=10.0)
    house.endpoints.script[ADDRESS] = hang
    authorized(house, retry=())
    [attempt] = await attempts(house)
    assert (attempt.error, attempt.duration_us) == ("timeout", 5_000_000)


async def test_a_token_that_took_all_the_time_leaves_none_to_send(house: WorkerHarness) -> None:
    house.tokens = FakeTokens("token", takes=15.0)
    house.endpoints.script[ADDRESS] = hang
    authorized(house, retry=())
    [attempt] = await attempts(house)
    assert (attempt.error, attempt.duration_us) == ("timeout", 1000)


async def test_where_somebody_must_authorize_the_watch_is_paused_and_what_waits_goes_out_afterwards(
    house: WorkerHarness,
) -> None:
    house.tokens = FakeTokens(AuthorizationRequired("invalid_grant"))
    watch = authorized(house)
    await house.begin()
    house.publish(3)
    await house.until(lambda: house.store.watches[watch.id].status == WatchStatus.PAUSED)
    house.publish(2)
    await house.until(lambda: not house.store.outbox)
    row, lane = house.store.watches[watch.id], house.store.lanes[watch.lane]
    assert (row.status_reason, lane.paused) == ("authorization required", True)
    assert (house.statuses(), len(house.store.waiting), house.endpoints.received) == ({PENDING: 5}, 5, [])
    assert all(not logged.attempts for logged in house.store.log.values())
    assert "authorization required" in {logged.reason for logged in house.store.log.values()}

    house.tokens.script = ["token"]
    house.change(watch, status=WatchStatus.ENABLED, status_reason=None)
    house.resume(watch.lane)
    await house.settled()
    assert house.statuses() == {DELIVERED: 5}
    assert {len(logged.attempts) for logged in house.store.log.values()} == {1}


async def test_a_watch_that_was_changed_meanwhile_is_not_paused(house: WorkerHarness) -> None:
    house.tokens = FakeTokens(AuthorizationRequired("invalid_grant"), "token", takes=3.0)
    watch = authorized(house)
    await house.begin()
    house.publish()
    await house.until(lambda: len(house.tokens.asked) == 1)
    house.change(watch, credential=CredentialId(b"another---------"))
    await house.settled()
    assert (house.statuses(), house.store.watches[watch.id].status) == ({DELIVERED: 1}, WatchStatus.ENABLED)


async def test_what_was_sent_once_stays_as_it_was_until_somebody_authorizes(house: WorkerHarness) -> None:
    house.tokens = FakeTokens("old", AuthorizationRequired("invalid_grant"), "new")
    house.endpoints.script[ADDRESS] = answers(401, 200)
    watch = authorized(house)
    await house.begin()
    house.publish()
    await house.until(lambda: house.store.watches[watch.id].status == WatchStatus.PAUSED)
    changed = msgspec.json.decode(watch.definition) | {"schema": {"now": "another"}}
    house.change(watch, status=WatchStatus.ENABLED, definition=msgspec.json.encode(changed))
    house.resume(watch.lane)
    await house.settled()
    first, second = house.endpoints.received
    [logged] = house.store.log.values()
    assert (first.body, len(logged.attempts), logged.attempts[0].code) == (second.body, 1, 200)


async def test_what_waits_between_attempts_is_retrying_while_somebody_has_to_authorize(house: WorkerHarness) -> None:
    house.tokens = FakeTokens("token", AuthorizationRequired("invalid_grant"))
    house.endpoints.script[ADDRESS] = status(500)
    watch = authorized(house)
    await house.begin()
    house.publish()
    await house.until(lambda: house.store.watches[watch.id].status == WatchStatus.PAUSED)
    assert house.statuses() == {RETRYING: 1}
    [logged] = house.store.log.values()
    assert [each.code for each in logged.attempts] == [500]


async def test_client_credentials_are_asked_with_too(house: WorkerHarness) -> None:
    oauth = msgspec.structs.replace(OAUTH, grant_type=GrantType.CLIENT_CREDENTIALS)
    row = house.watch(ADDRESS, oauth=oauth)
    house.store.watches[row.id] = msgspec.structs.replace(row, credential=CREDENTIAL)
    await attempts(house)
    assert house.tokens.asked[0][0].definition == oauth


async def test_signature_and_timestamp_are_of_the_moment_of_sending(house: WorkerHarness) -> None:
    house.tokens = FakeTokens("token", takes=7.0)
    moments: list[int] = []

    def note(request: OutgoingRequest) -> Outcome:
        moments.append(house.clock.now_us() // 1_000_000 - int(dict(request.changing)["webhook-timestamp"]))
        return ok(request)

    house.endpoints.script[ADDRESS] = note
    authorized(house)
    [attempt] = await attempts(house)
    assert (moments, attempt.code) == ([0], 200)
