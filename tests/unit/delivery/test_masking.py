from __future__ import annotations

import html
import json
from urllib.parse import quote, quote_plus

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookward.domain.delivery.masking import NO_MASK, SecretMask
from hookward.domain.delivery.outcome import Outcome, Response
from hookward.domain.delivery.request import OutgoingRequest
from hookward.domain.redaction import MASK
from hookward.domain.watches.model import WatchSecrets
from tests.fakes.worker_harness import WorkerHarness

pytestmark = pytest.mark.virtual_time

AWKWARD = "p/ä\"s's<w>&ör d\\+%"


@pytest.mark.parametrize(
    "echo",
    [
        AWKWARD, json.dumps(AWKWARD), json.dumps(AWKWARD, ensure_ascii=False), json.dumps(AWKWARD).replace("/", "\\/"),
        html.escape(AWKWARD), html.escape(AWKWARD, quote=False), quote(AWKWARD), quote(AWKWARD, safe=""),
        quote_plus(AWKWARD),
    ],
)  # fmt: skip
def test_a_secret_is_masked_however_it_comes_back(echo: str) -> None:
    assert SecretMask([AWKWARD]).mask_bytes(f"it was {echo}!".encode()).replace(b'"', b"") == f"it was {MASK}!".encode()


def test_a_secret_that_came_as_latin_1_is_masked() -> None:
    assert SecretMask([AWKWARD]).mask_bytes(AWKWARD.encode("latin-1")) == MASK.encode()
    assert SecretMask(["pässwörd"]).mask_text("pässwörd") == MASK
    assert SecretMask(["pässwörd"]).mask_text("pässwörd".encode().decode("latin-1")) == MASK


def test_every_occurrence_of_every_secret_is_masked_the_longer_first() -> None:
    mask = SecretMask(["secret-one", "secret-one-and-more"])
    assert mask.mask_bytes(b"secret-one-and-more,secret-one") == b"%b,%b" % (MASK.encode(), MASK.encode())


def test_a_short_secret_is_masked_where_it_stands_alone() -> None:
    assert SecretMask(["prod"]).mask_bytes(b'{"env":"prod","of":"product","a":"xprod"}') == (
        b'{"env":"%b","of":"product","a":"xprod"}' % MASK.encode()
    )


def test_what_is_too_short_to_be_a_secret_stays() -> None:
    assert SecretMask(["1", "", "no"]).mask_bytes(b'{"count":1,"no":1}') == b'{"count":1,"no":1}'
    assert repr(SecretMask(["1"])) == repr(NO_MASK) == "<SecretMask 0>"


@pytest.mark.parametrize("size", range(1, 11))
def test_the_end_of_an_answer_that_was_cut_is_masked_as_it_may_begin_a_secret(size: int) -> None:
    body = b"it was " + b"-" * 60 + b"canary-1234"[:size]
    assert SecretMask(["canary-1234"]).mask_bytes(body, cut=True) == body[:-64] + MASK.encode()
    assert SecretMask(["canary-1234"]).mask_bytes(body) == body
    assert NO_MASK.mask_bytes(body, cut=True) == body


def test_who_has_an_endpoint_echo_guesses_does_not_learn_that_a_beginning_is_right() -> None:
    def shown(guess: bytes) -> bytes:
        return SecretMask(["Basic c2VjcmV0"]).mask_bytes(b"-" * 100 + guess, cut=True)

    assert shown(b"Basic c2V") == shown(b"Basic c2X")


def test_the_end_that_is_masked_does_not_tell_how_long_a_secret_is() -> None:
    body = b"-" * 1000
    assert SecretMask(["s" * 9]).mask_bytes(body, cut=True) == SecretMask(["s" * 63]).mask_bytes(body, cut=True)


TEXTS = st.text(st.characters(exclude_characters="*", exclude_categories=["Cs"]), min_size=8, max_size=40)


@given(TEXTS, TEXTS, TEXTS)
def test_no_secret_of_eight_characters_comes_through(secret: str, before: str, after: str) -> None:
    assert secret.encode() not in SecretMask([secret]).mask_bytes((before + secret + after).encode())


def test_nothing_is_shown_of_the_values() -> None:
    assert repr(SecretMask(["canary-1234"])) == "<SecretMask 1>"


async def test_an_endpoint_that_echoes_what_it_was_sent_puts_no_secret_into_the_log(harness: WorkerHarness) -> None:
    secrets = WatchSecrets(
        password="s3cret-password", headers={"X-Key": "k3y-canary", "Authorization": "Bearer t0ken-canary"}
    )
    row = harness.watch("http://a.test/", username="crm", header_names=("X-Key",))
    harness.store.watches[row.id] = msgspec.structs.replace(row, secrets=msgspec.json.encode(secrets))

    def echo(request: OutgoingRequest) -> Outcome:
        sent = dict(request.headers)
        headers = tuple([(f"X-Echo-{name}", value) for name, value in sent.items()])
        body = json.dumps({**sent, "password": "s3cret-password", "bearer": "t0ken-canary"}).encode()
        return Outcome(duration_us=1, response=Response(status=200, headers=headers, body=body))

    harness.endpoints.script["http://a.test/"] = echo
    await harness.start_session()
    harness.publish()
    await harness.settled()
    [attempt] = next(iter(harness.store.log.values())).attempts
    kept = msgspec.json.encode(attempt) + (attempt.response or b"") + (attempt.response_body or b"")
    basic = dict(harness.endpoints.received[0].headers)["Authorization"].removeprefix("Basic ")
    for secret in ("s3cret-password", "k3y-canary", "t0ken-canary", basic):
        assert secret.encode() not in kept
    assert json.loads(attempt.response or b"")["X-Echo-X-Key"] == MASK
    assert json.loads(attempt.response or b"")["X-Echo-User-Agent"] != MASK


def test_headers_are_masked_in_name_and_value_and_stay_the_same_where_nothing_is_secret() -> None:
    mask = SecretMask(("a-secret-value",))
    told = {"X-Echo": "it is a-secret-value", "X-a-secret-value": "1", "Date": "today"}
    assert mask.mask_headers(told) == {"X-Echo": f"it is {MASK}", f"X-{MASK}": "1", "Date": "today"}
    plain = {"Date": "today"}
    assert mask.mask_headers(plain) is plain
    assert SecretMask().mask_headers(told) is told
