"""Attempts with access tokens: what is sent, what is recorded, and what waits for an authorization."""

from __future__ import annotations

import msgspec
import pytest

from hookward.adapters.crypto.sealing import AesGcmSealer
from hookward.application.delivery.executor import NO_STORE_SECONDS
from hookward.application.records import WatchRecord
from hookward.domain.delivery.model import Attempt, DeliveryStatus
from hookward.domain.delivery.outcome import ErrorKind, Outcome, Response
from hookward.domain.delivery.request import OutgoingRequest
from hookward.domain.errors import StoreUnavailable
from hookward.domain.ids import CredentialId
from hookward.domain.oauth.model import AuthorizationRequired, GrantType, NoToken, OAuthDefinition, variant_of
from hookward.domain.sealing import watch_subject
from hookward.domain.watches.model import WatchSecrets, WatchStatus
from tests.fakes.oauth import CREDENTIAL, FakeTokens
from tests.fakes.worker_harness import Endpoint, WorkerHarness, hang, ok, status

pytestmark = pytest.mark.virtual_time

ADDRESS = "http://a.test/"
OAUTH = OAuthDefinition(client_id="client", access_token_url="https://auth.test/token")
DELIVERED, FAILED, PENDING, RETRYING = (
    DeliveryStatus.DELIVERED, DeliveryStatus.FAILED, DeliveryStatus.PENDING, DeliveryStatus.RETRYING
)  # fmt: skip


def authorized(harness: WorkerHarness, **values: object) -> WatchRecord:
    """A watch that wants tokens."""
    row = harness.watch(ADDRESS, oauth=OAUTH, **values)  # type: ignore[arg-type]
    row = msgspec.structs.replace(row, credential=CREDENTIAL)
    harness.store.watches[row.id] = row
    return row


def answers(*codes: int) -> Endpoint:
    left = list(codes)
    return lambda _request: Outcome(
        duration_us=1000, response=Response(status=left.pop(0) if len(left) > 1 else left[0], headers=(), body=b"")
    )


async def attempts(harness: WorkerHarness) -> list[Attempt]:
    """Publish one event, and what became of it when it is done."""
    await harness.start_session()
    harness.publish()
    await harness.settled()
    [logged] = harness.store.log.values()
    return logged.attempts


def sent_tokens(harness: WorkerHarness) -> list[str | None]:
    return [dict(each.headers + each.changing).get("Authorization") for each in harness.endpoints.received]


def shown(attempt: Attempt) -> dict[str, str]:
    headers: dict[str, str] = msgspec.json.decode(attempt.request)["headers"]
    return headers


async def test_a_request_carries_the_token_and_the_log_does_not(harness: WorkerHarness) -> None:
    harness.tokens = FakeTokens("canary")
    authorized(harness)
    [attempt] = await attempts(harness)
    assert (sent_tokens(harness), shown(attempt)["Authorization"]) == (["Bearer canary"], "Bearer ********")
    assert b"canary" not in attempt.request


async def test_an_endpoint_that_answers_with_the_token_does_not_put_it_into_the_log(harness: WorkerHarness) -> None:
    def echo(request: OutgoingRequest) -> Outcome:
        sent = dict(request.headers + request.changing)["Authorization"]
        answer = Response(status=200, headers=(("X-Echo", sent),), body=f"you sent {sent}".encode())
        return Outcome(duration_us=1000, response=answer)

    harness.tokens = FakeTokens("canary-token")
    authorized(harness)
    harness.endpoints.script[ADDRESS] = echo
    [attempt] = await attempts(harness)
    assert (attempt.response, attempt.response_body) == (b'{"X-Echo":"Bearer ********"}', b"you sent Bearer ********")


async def test_a_token_is_asked_for_with_all_that_the_watch_gives(harness: WorkerHarness) -> None:
    harness.sealer = AesGcmSealer(b"k" * 32)
    row = authorized(harness)
    secrets = harness.sealer.seal(msgspec.json.encode(WatchSecrets(client_secret="hush")), watch_subject(row))
    harness.change(row, secrets=secrets)
    await attempts(harness)
    [(grant, refused, seconds)] = harness.tokens.asked
    assert (grant.account, grant.credential, grant.definition, grant.client_secret) == (1, CREDENTIAL, OAUTH, "hush")
    assert (grant.variant, refused, seconds) == (variant_of(OAUTH, "hush"), None, 15.0)


async def test_a_watch_without_oauth_asks_for_no_token(harness: WorkerHarness) -> None:
    harness.watch(ADDRESS)
    await attempts(harness)
    assert (harness.tokens.asked, sent_tokens(harness)) == ([], [None])


async def test_a_watch_that_has_lost_its_credential_sends_nothing_and_spends_no_attempt(harness: WorkerHarness) -> None:
    harness.watch(ADDRESS, oauth=OAUTH)
    await harness.start_session()
    harness.publish()
    await harness.until(lambda: harness.statuses() == {PENDING: 1})
    [logged] = harness.store.log.values()
    assert (harness.endpoints.received, logged.attempts) == ([], [])
    assert logged.reason == "its request cannot be made: its oauth2Auth has no credential"


async def test_a_401_forces_one_other_token_and_one_other_request_within_the_attempt(harness: WorkerHarness) -> None:
    harness.tokens = FakeTokens("old", "new")
    harness.endpoints.script[ADDRESS] = answers(401, 204)
    authorized(harness)
    [attempt] = await attempts(harness)
    assert sent_tokens(harness) == ["Bearer old", "Bearer new"]
    assert [refused for _, refused, _ in harness.tokens.asked] == [None, "old"]
    assert (attempt.number, attempt.code) == (1, 204)
    assert {dict(each.changing)["hookward-attempt"] for each in harness.endpoints.received} == {"1"}
    assert len({each.body for each in harness.endpoints.received}) == 1


async def test_an_endpoint_that_goes_on_to_answer_401_is_asked_twice_an_attempt(harness: WorkerHarness) -> None:
    harness.endpoints.script[ADDRESS] = status(401)
    authorized(harness)
    made = await attempts(harness)
    assert ([each.code for each in made], len(harness.endpoints.received)) == ([401, 401, 401], 6)


async def test_a_token_that_others_had_already_is_tried_before_one_is_asked_for(harness: WorkerHarness) -> None:
    harness.tokens = FakeTokens("own", "theirs", "new")
    harness.tokens.old = {"own", "theirs"}
    harness.endpoints.script[ADDRESS] = answers(401, 401, 200)
    authorized(harness)
    [attempt] = await attempts(harness)
    assert [refused for _, refused, _ in harness.tokens.asked] == [None, "own", "theirs"]
    assert (sent_tokens(harness), attempt.code) == (["Bearer own", "Bearer theirs", "Bearer new"], 200)


async def test_an_endpoint_that_goes_on_to_answer_401_is_asked_no_more_often_whatever_others_had(
    harness: WorkerHarness,
) -> None:
    harness.tokens.old = {"token"}
    harness.endpoints.script[ADDRESS] = status(401)
    authorized(harness, retry=())
    [attempt] = await attempts(harness)
    assert (attempt.code, len(harness.endpoints.received)) == (401, 3)


@pytest.mark.parametrize("code", [400, 403, 407, 500])
async def test_no_other_answer_forces_a_token(harness: WorkerHarness, code: int) -> None:
    harness.endpoints.script[ADDRESS] = answers(code, 200)
    authorized(harness)
    await attempts(harness)
    assert [refused for _, refused, _ in harness.tokens.asked] == [None, None]


async def test_without_a_token_the_attempt_failed_and_nothing_was_sent(harness: WorkerHarness) -> None:
    harness.tokens = FakeTokens(NoToken("the token endpoint answered 503"), "token", seconds=2.0)
    authorized(harness)
    first, second = await attempts(harness)
    assert (first.error, first.message, first.code) == ("oauth", "the token endpoint answered 503", None)
    assert (first.duration_us, "Authorization" in shown(first)) == (2_000_000, False)
    assert (second.number, second.code, len(harness.endpoints.received)) == (2, 200, 1)


async def test_the_body_of_an_attempt_without_a_token_is_that_of_its_retries(harness: WorkerHarness) -> None:
    harness.tokens = FakeTokens(NoToken("no"), "token")
    authorized(harness)
    first, second = await attempts(harness)
    assert (first.request_body, second.request_body) == (harness.endpoints.received[0].body, None)


async def test_a_token_endpoint_in_a_forbidden_network_ends_the_delivery(harness: WorkerHarness) -> None:
    harness.tokens = FakeTokens(NoToken("forbidden", ErrorKind.FORBIDDEN_ADDRESS))
    authorized(harness)
    [attempt] = await attempts(harness)
    assert (attempt.error, harness.statuses()) == ("forbidden_address", {FAILED: 1})


async def test_a_401_for_which_there_is_no_other_token_says_both(harness: WorkerHarness) -> None:
    harness.tokens = FakeTokens("old", NoToken("the token endpoint answered 503"), "new")
    harness.endpoints.script[ADDRESS] = answers(401, 200)
    authorized(harness)
    first, _ = await attempts(harness)
    assert (first.error, shown(first)["Authorization"]) == ("oauth", "Bearer ********")
    assert first.message == (
        "the endpoint answered 401, and there is no other access token: the token endpoint answered 503"
    )


async def test_a_401_is_one_when_our_stores_keep_us_from_another_token(harness: WorkerHarness) -> None:
    harness.tokens = FakeTokens("old", StoreUnavailable("away"), "new")
    harness.endpoints.script[ADDRESS] = answers(401, 200)
    authorized(harness)
    first, second = await attempts(harness)
    assert (first.code, first.error, second.code) == (401, None, 200)


async def test_when_our_stores_keep_us_from_a_token_no_attempt_is_spent(harness: WorkerHarness) -> None:
    harness.tokens = FakeTokens(StoreUnavailable("PostgreSQL: away"), "token")
    authorized(harness)
    began = harness.clock.monotonic()
    [attempt] = await attempts(harness)
    assert (attempt.number, attempt.code) == (1, 200)
    assert NO_STORE_SECONDS <= harness.clock.monotonic() - began < 2 * NO_STORE_SECONDS


async def test_token_and_request_share_the_timeout_of_the_attempt(harness: WorkerHarness) -> None:
    harness.tokens = FakeTokens("token", seconds=10.0)
    harness.endpoints.script[ADDRESS] = hang
    authorized(harness, retry=())
    [attempt] = await attempts(harness)
    assert (attempt.error, attempt.duration_us) == ("timeout", 5_000_000)


async def test_a_token_that_took_all_the_time_leaves_none_to_send(harness: WorkerHarness) -> None:
    harness.tokens = FakeTokens("token", seconds=15.0)
    harness.endpoints.script[ADDRESS] = hang
    authorized(harness, retry=())
    [attempt] = await attempts(harness)
    assert (attempt.error, attempt.duration_us) == ("timeout", 1000)


async def test_where_an_authorization_is_needed_the_watch_is_paused_and_what_waits_goes_out_afterwards(
    harness: WorkerHarness,
) -> None:
    harness.tokens = FakeTokens(AuthorizationRequired("invalid_grant"))
    watch = authorized(harness)
    await harness.start_session()
    harness.publish(3)
    await harness.until(lambda: harness.store.watches[watch.id].status == WatchStatus.PAUSED)
    harness.publish(2)
    await harness.until(lambda: not harness.store.outbox)
    row, lane = harness.store.watches[watch.id], harness.store.lanes[watch.lane]
    assert (row.status_reason, lane.paused) == ("authorization required", True)
    assert (harness.statuses(), len(harness.store.waiting), harness.endpoints.received) == ({PENDING: 5}, 5, [])
    assert all(not logged.attempts for logged in harness.store.log.values())
    assert "authorization required" in {logged.reason for logged in harness.store.log.values()}

    harness.tokens.script = ["token"]
    harness.change(watch, status=WatchStatus.ENABLED, status_reason=None)
    harness.resume(watch.lane)
    await harness.settled()
    assert harness.statuses() == {DELIVERED: 5}
    assert {len(logged.attempts) for logged in harness.store.log.values()} == {1}


async def test_a_watch_that_was_changed_meanwhile_is_not_paused(harness: WorkerHarness) -> None:
    harness.tokens = FakeTokens(AuthorizationRequired("invalid_grant"), "token", seconds=3.0)
    watch = authorized(harness)
    await harness.start_session()
    harness.publish()
    await harness.until(lambda: len(harness.tokens.asked) == 1)
    harness.change(watch, credential=CredentialId(b"another---------"))
    await harness.settled()
    assert (harness.statuses(), harness.store.watches[watch.id].status) == ({DELIVERED: 1}, WatchStatus.ENABLED)


async def test_what_was_sent_once_stays_as_it_was_until_an_authorization(harness: WorkerHarness) -> None:
    harness.tokens = FakeTokens("old", AuthorizationRequired("invalid_grant"), "new")
    harness.endpoints.script[ADDRESS] = answers(401, 200)
    watch = authorized(harness)
    await harness.start_session()
    harness.publish()
    await harness.until(lambda: harness.store.watches[watch.id].status == WatchStatus.PAUSED)
    changed = msgspec.json.decode(watch.definition) | {"schema": {"now": "another"}}
    harness.change(watch, status=WatchStatus.ENABLED, definition=msgspec.json.encode(changed))
    harness.resume(watch.lane)
    await harness.settled()
    first, second = harness.endpoints.received
    [logged] = harness.store.log.values()
    assert (first.body, len(logged.attempts), logged.attempts[0].code) == (second.body, 1, 200)


async def test_what_waits_between_attempts_is_retrying_while_an_authorization_is_needed(harness: WorkerHarness) -> None:
    harness.tokens = FakeTokens("token", AuthorizationRequired("invalid_grant"))
    harness.endpoints.script[ADDRESS] = status(500)
    watch = authorized(harness)
    await harness.start_session()
    harness.publish()
    await harness.until(lambda: harness.store.watches[watch.id].status == WatchStatus.PAUSED)
    assert harness.statuses() == {RETRYING: 1}
    [logged] = harness.store.log.values()
    assert [each.code for each in logged.attempts] == [500]


async def test_client_credentials_are_asked_with_too(harness: WorkerHarness) -> None:
    oauth = msgspec.structs.replace(OAUTH, grant_type=GrantType.CLIENT_CREDENTIALS)
    row = harness.watch(ADDRESS, oauth=oauth)
    harness.store.watches[row.id] = msgspec.structs.replace(row, credential=CREDENTIAL)
    await attempts(harness)
    assert harness.tokens.asked[0][0].definition == oauth


async def test_signature_and_timestamp_are_of_the_moment_of_sending(harness: WorkerHarness) -> None:
    harness.tokens = FakeTokens("token", seconds=7.0)
    moments: list[int] = []

    def note(request: OutgoingRequest) -> Outcome:
        moments.append(harness.clock.now_us() // 1_000_000 - int(dict(request.changing)["webhook-timestamp"]))
        return ok(request)

    harness.endpoints.script[ADDRESS] = note
    authorized(harness)
    [attempt] = await attempts(harness)
    assert (moments, attempt.code) == ([0], 200)
