"""Signatures, judged by the PyPI package ``standardwebhooks``: an implementation that is not ours."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from hookward.adapters.clock import SystemClock
from hookward.domain.ids import IdPrefix, to_text
from hookward.domain.signing.standard_webhooks import (
    MAX_SECRET_BYTES,
    MIN_SECRET_BYTES,
    secret_from_text,
    secret_to_text,
    sign_v1,
    signatures,
    verify,
)
from tests.unit.events.json_strategies import texts

secrets = st.binary(min_size=MIN_SECRET_BYTES, max_size=MAX_SECRET_BYTES)
ids = st.binary(min_size=16, max_size=16).map(lambda raw: to_text(IdPrefix.DELIVERY, raw))
bodies = texts | st.text(st.characters(exclude_categories=["Cs"]))


def verifies(secret: bytes, id_: str, timestamp: int, signature: str, body: bytes) -> bool:
    headers = {"webhook-id": id_, "webhook-timestamp": str(timestamp), "webhook-signature": signature}
    try:
        Webhook(secret_to_text(secret)).verify(body, headers, json_parse=False)
    except WebhookVerificationError:
        return False
    return True


def now() -> int:
    return SystemClock().now_us() // 1_000_000


@given(secrets, ids, bodies)
def test_a_signature_verifies_for_any_body(secret: bytes, id_: str, body: str) -> None:
    second = now()
    assert verifies(secret, id_, second, sign_v1(secret, id_, second, body.encode()), body.encode())


@given(st.lists(secrets, min_size=1, max_size=8), ids, bodies)
def test_each_of_several_keys_verifies_the_one_header(some: list[bytes], id_: str, body: str) -> None:
    second = now()
    header = signatures(tuple(some), id_, second, body.encode())
    assert [verifies(secret, id_, second, header, body.encode()) for secret in some] == [True] * len(some)


@given(secrets, secrets, ids, bodies)
def test_a_signature_verifies_with_its_own_key_only(secret: bytes, other: bytes, id_: str, body: str) -> None:
    second = now()
    header = signatures((secret,), id_, second, body.encode())
    assert verifies(other, id_, second, header, body.encode()) == (other == secret)


@given(secrets, ids, st.integers(0, 4_102_444_800), bodies)
def test_a_signature_is_the_independent_one(secret: bytes, id_: str, second: int, body: str) -> None:
    independent = Webhook(secret).sign(id_, datetime.fromtimestamp(second, UTC), body)
    assert independent == sign_v1(secret, id_, second, body.encode())


@pytest.mark.parametrize("change", ["id", "timestamp", "body"])
def test_a_signature_covers_id_timestamp_and_body(change: str) -> None:
    secret, second = bytes(32), now()
    header = sign_v1(secret, "dlv_1", second, b"{}")
    id_ = "dlv_2" if change == "id" else "dlv_1"
    moment = second + 1 if change == "timestamp" else second
    assert not verifies(secret, id_, moment, header, b"[]" if change == "body" else b"{}")


def test_a_body_that_is_no_text_is_signed_as_it_is() -> None:
    assert sign_v1(bytes(32), "dlv_1", 1, b"\xff") != sign_v1(bytes(32), "dlv_1", 1, b"\xfe")


def test_the_published_vector_of_standard_webhooks_holds() -> None:
    text, id_, second, payload = (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        '{"test": 2432232314}',
    )
    secret = secret_from_text(text)
    assert secret is not None
    published = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    independent = Webhook(text).sign(id_, datetime.fromtimestamp(second, UTC), payload)
    assert [published, published] == [independent, sign_v1(secret, id_, second, payload.encode())]


@given(secrets)
def test_a_secret_survives_being_written_and_read(secret: bytes) -> None:
    assert secret == secret_from_text(secret_to_text(secret))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        b64encode(bytes(32)).decode(),
        "whsk_" + b64encode(bytes(32)).decode(),
        "whsec_" + b64encode(bytes(MIN_SECRET_BYTES - 1)).decode(),
        "whsec_" + b64encode(bytes(MAX_SECRET_BYTES + 1)).decode(),
        "whsec_" + "A" * 42,
        "whsec_" + "A" * 31 + "!" + "A" * 12,
        "whsec_" + "é" * 32,
        "whsec_" + b64encode(bytes(32)).decode() + "\n",
    ],
)
def test_what_is_no_secret_of_24_to_64_bytes_is_not_read(text: str) -> None:
    assert secret_from_text(text) is None


@given(st.lists(secrets, min_size=2, max_size=4, unique=True), ids, bodies)
def test_a_header_verifies_for_a_secret_that_signed_it_and_for_no_other(some: list[bytes], id_: str, body: str) -> None:
    header = signatures(tuple(some[1:]), id_, 1, body.encode())
    assert [verify(header, secret, id_, 1, body.encode()) for secret in some] == [False] + [True] * len(some[1:])
