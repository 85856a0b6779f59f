"""Lossless JSON (RFC 8259) and JSON Merge Patch (RFC 7396).

Integers within a double's range stay exact. Other numbers keep their value: a double if it prints the same value, else
a Decimal. The last of duplicate keys wins. Refused are: what is not JSON, lone surrogates, numbers outside the double
range and, by ``check_depth``, nesting that is too deep.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

import msgspec

from hookward.domain.errors import Invalid, Malformed, Problem

MAX_DEPTH = 100

_encoder = msgspec.json.Encoder(decimal_format="number")
encode_exact = _encoder.encode


def _number(text: str) -> float | Decimal:
    value = float(text)
    if math.isinf(value):
        raise ValueError(_OUT_OF_RANGE)
    if repr(value) == text:  # true of most numbers
        return value
    if value == 0.0:  # a Decimal may not accept the exponent
        if _NOT_ZERO.match(text):
            raise ValueError(_OUT_OF_RANGE)
        return value
    exact = Decimal(text)
    return value if Decimal(repr(value)) == exact else exact


_NOT_ZERO = re.compile(r"[-0.]*[1-9]")
_OUT_OF_RANGE = "a number is outside the range of a double (RFC 8259 §6)"
_INEXACT = "the body is not JSON that can be represented exactly"
_LARGEST = int(1.7976931348623157e308)  # the largest double (RFC 8259 §6)
_LONGEST = len(str(_LARGEST))
_LONG_RUN = re.compile(rb"(?<![0-9])[0-9]{%d}" % _LONGEST)
_STRIDE = 32
_SAMPLED_RUN = re.compile(rb"[0-9]{%d}" % (_LONGEST // _STRIDE))
_LONE = "half of a surrogate pair is alone (RFC 8259 §8.2)"
_LONE_HIGH = re.compile(rb"(?<!\\)(?:\\\\)*\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])")
_UNDECODABLE = re.compile("[\udc80-\udcff]")
_decoder = msgspec.json.Decoder(float_hook=_number)


def decode_exact(data: bytes) -> Any:
    """Decode JSON; raises ``Malformed`` with what is wrong and where, ``Invalid`` if nested too deep."""
    try:
        value = _decoder.decode(data)
    except RecursionError:
        raise too_deep() from None
    except UnicodeDecodeError:
        raise Malformed(f"the body is not UTF-8 text: invalid bytes at offset {_first_bad_byte(data)}") from None
    except ValueError as error:  # msgspec's errors are ValueErrors too
        raise Malformed(f"{_INEXACT}: {_reason(error, data)}") from None
    # Nesting costs a bracket each: few brackets prove it shallow without a walk.
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH:
        check_depth(value)
    if _may_hold_huge(data):
        _check_integers(value)
    return value


def _reason(error: ValueError, data: bytes) -> str:
    """Return the decoder's message without its place, and name a lone surrogate that it reports as truncated data."""
    reason = str(error).partition(" - at `")[0]
    return _LONE if reason == _CUT and _LONE_HIGH.search(data) else reason


_CUT = "Input data was truncated"


def _first_bad_byte(data: bytes) -> int:
    """Return the offset in the data; the decoder counts from the start of the string at fault."""
    text = data.decode("utf-8", "surrogateescape")
    return len(_UNDECODABLE.split(text, maxsplit=1)[0].encode())


def _may_hold_huge(data: bytes) -> bool:
    """Return whether ``data`` holds as many digits in a row as the largest double has; scans a sample first."""
    sampled = data[_STRIDE - 1 :: _STRIDE]  # every such run covers several of these bytes in a row
    return _SAMPLED_RUN.search(sampled) is not None and _LONG_RUN.search(data) is not None


def _check_integers(value: Any) -> None:
    pending: list[Any] = [value]
    while pending:
        match pending.pop():
            case dict() as members:
                pending.extend(members.values())
            case list() as elements:
                pending.extend(elements)
            case int() as number if abs(number) > _LARGEST:
                raise Malformed(f"{_INEXACT}: {_OUT_OF_RANGE}")


def check_depth(value: Any) -> None:
    """Raise Invalid if ``value`` nests deeper than 100 levels; walks level by level, without recursion."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                below.extend(inner for inner in each.values() if isinstance(inner, dict | list))
            elif isinstance(each, list):
                below.extend(inner for inner in each if isinstance(inner, dict | list))
        if not below:
            return
        level = below
    raise too_deep()


def too_deep() -> Invalid:
    """Return the error for a body that nests too deep."""
    detail = f"the body nests deeper than {MAX_DEPTH} levels; flatten it"
    return Invalid(detail, (Problem(message=detail, pointer=""),))


def merge_patch(target: Any, patch: Any) -> Any:
    """Return ``target`` with ``patch`` merged into it (RFC 7396); neither is changed. A null removes the member."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged
