from __future__ import annotations

import json
import sys
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookward.domain.errors import Invalid, Malformed
from hookward.domain.json import MAX_DEPTH, decode_exact, encode_exact
from tests.unit.events.json_strategies import documents

LARGEST = int(sys.float_info.max)
digits = st.text("0123456789", min_size=1, max_size=40)
numerals = st.builds(
    lambda sign, whole, uniform, exponent: f"{sign}{whole.lstrip('0') or '0'}.{uniform}e{exponent}",
    st.sampled_from(["", "-"]),
    digits,
    digits,
    st.integers(-250, 250),
)


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def complaint(data: bytes) -> str:
    with pytest.raises(Malformed) as caught:
        decode_exact(data)
    return caught.value.detail


@given(documents)
def test_any_document_survives_being_encoded_and_decoded(document: Any) -> None:
    assert document == decode_exact(encode_exact(document))


@given(documents)
def test_what_is_encoded_reads_the_same_elsewhere(document: Any) -> None:
    assert document == json.loads(encode_exact(document))


@given(st.integers(-LARGEST, LARGEST))
def test_an_integer_stays_exact(number: int) -> None:
    assert (number, str(number).encode()) == (decode_exact(b"%d" % number), encode_exact(number))


@given(numerals)
def test_a_number_keeps_its_value(numeral: str) -> None:
    written = encode_exact(decode_exact(numeral.encode()))
    assert Decimal(numeral) == Decimal(written.decode())


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_stays_a_double(number: float) -> None:
    assert repr(number) == repr(decode_exact(repr(number).encode())) or number.is_integer()


@pytest.mark.parametrize(
    ("numeral", "number"),
    [
        (b"1.10", 1.1),
        (b"0.1000000000000000055", Decimal("0.1000000000000000055")),
        (b"4.9e-324", Decimal("4.9e-324")),
        (b"0e-400", 0.0),
        (b"0.00E99999999999999999999", 0.0),
        (b"-0e-99999999999999999999", 0.0),
        (b"12345678901234567890.5", Decimal("12345678901234567890.5")),
    ],
)
def test_a_number_is_a_double_only_where_that_prints_the_same_value(numeral: bytes, number: object) -> None:
    assert (number, type(number)) == (decode_exact(numeral), type(decode_exact(numeral)))


@pytest.mark.parametrize(
    "numeral",
    [
        b"1e400",
        b"-1e400",
        b"1.8e308",
        b"1e-400",
        b"-0.1e-400",
        b"-0.00100e-400",
        b"1e-99999999999999999999",
        b"1e99999999999999999999",
        b"%d" % (LARGEST + 1),
        b"%d" % -(LARGEST + 1),
        b"1" + b"0" * 309,
    ],
)
def test_a_number_outside_the_range_of_a_double_is_refused(numeral: bytes) -> None:
    assert "range of a double" in complaint(b"[%b]" % numeral)


@given(documents, st.integers(0, 700))
def test_an_integer_outside_the_range_of_a_double_is_found_wherever_it_stands(document: Any, offset: int) -> None:
    data = encode_exact([document, "x" * offset, {"a": [LARGEST + 1]}])
    assert "range of a double" in complaint(data)


def test_an_integer_of_thousands_of_digits_is_refused() -> None:
    assert "out of range" in complaint(b'{"a":%b}' % (b"9" * 5000))


def test_the_largest_integers_are_taken_beside_texts_of_many_digits() -> None:
    document = ["9" * 2000, {"a": LARGEST, "b": [-LARGEST, True, None]}]
    assert document == decode_exact(encode_exact(document))


@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity", b"nan", b"inf"])
def test_what_is_no_number_of_json_is_refused(word: bytes) -> None:
    assert complaint(b'{"a":%b}' % word).startswith("the body is not JSON")


@pytest.mark.parametrize(
    "text",
    [
        b'"\\ud800"',
        b'"\\udfff"',
        b'"\\ud800\\u0041"',
        b'"\\udc00\\ud800"',
        b'{"\\ud800":1}',
        b'"\xed\xa0\x80"',
        b'{"\xed\xbf\xbf":1}',
    ],
)
def test_a_lone_surrogate_is_refused(text: bytes) -> None:
    assert complaint(text).startswith("the body is not ")


def test_half_a_pair_at_the_end_is_told_from_a_body_that_was_cut() -> None:
    exact = "the body is not JSON that can be represented exactly: "
    assert complaint(b'{"a": "\\ud800"}') == exact + "half of a surrogate pair is alone (RFC 8259 §8.2)"
    assert complaint(b'{"a": "\\\\ud800') == exact + "Input data was truncated"


def test_what_is_wrong_with_a_number_names_no_place_that_a_client_cannot_see() -> None:
    assert complaint(b'{"a": [1e999]}').endswith("a number is outside the range of a double (RFC 8259 §6)")


@pytest.mark.parametrize(
    ("data", "offset"),
    [(b'"\xff"', 1), (b'{"caf\xc3\xa9": "abc\x80"}', 14), (b'{"a": "\\n\xff"}', 9), (b'["\xed\xa0\x80"]', 2)],
)
def test_bytes_that_are_not_utf_8_are_named_by_their_offset(data: bytes, offset: int) -> None:
    assert f"the body is not UTF-8 text: invalid bytes at offset {offset}" == complaint(data)


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert decode_exact(b'"\\ud83d\\ude00"') == "😀"


@given(st.binary(max_size=12))
def test_any_bytes_are_json_or_refused(data: bytes) -> None:
    try:
        decode_exact(data)
    except Malformed:
        refused = True
    else:
        refused = False
    try:
        json.loads(data.decode(), parse_constant=lambda _: pytest.fail("a constant that is not JSON"))
    except ValueError:
        assert refused


@pytest.mark.parametrize("text", [b"", b" ", b"{", b"[1", b"{}x", b"{} {}", b"\xef\xbb\xbf{}", b"01", b"1.", b"\x00"])
def test_what_is_not_json_is_refused(text: bytes) -> None:
    assert complaint(text).startswith("the body is not JSON")


def test_the_last_of_duplicate_keys_wins() -> None:
    assert decode_exact(b'{"a":1,"b":2,"a":3}') == {"a": 3, "b": 2}


@pytest.mark.parametrize("depth", [1, 50, MAX_DEPTH])
def test_a_hundred_levels_are_taken(depth: int) -> None:
    assert nested(depth) == encode_exact(decode_exact(nested(depth)))


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 500, 100_000])
def test_more_than_a_hundred_levels_are_invalid_not_malformed(depth: int) -> None:
    with pytest.raises(Invalid) as caught:
        decode_exact(nested(depth))
    [problem] = caught.value.problems
    assert (problem.pointer, problem.message) == ("", "the body nests deeper than 100 levels; flatten it")


@given(st.integers(1, 2 * MAX_DEPTH), st.lists(st.sampled_from(["array", "object"]), min_size=1, max_size=4))
def test_objects_and_arrays_nest_alike(depth: int, kinds: list[str]) -> None:
    value: Any = 1
    for level in range(depth):
        value = [value, {}] if kinds[level % len(kinds)] == "array" else {"a": value, "b": []}
    try:
        taken = decode_exact(encode_exact(value)) == value
    except Invalid:
        taken = False
    assert taken == (depth < MAX_DEPTH)  # the innermost empty container is a level of its own


def test_many_brackets_are_not_deep() -> None:
    wide = [{"a": [each]} for each in range(1000)]
    assert wide == decode_exact(encode_exact(wide))


def test_brackets_within_texts_are_not_deep() -> None:
    text = "[{" * 200
    assert [decode_exact(encode_exact(document)) for document in (text, [text])] == [text, [text]]
