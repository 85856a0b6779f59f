"""The check of answers finds what is not documented: else the whole suite would prove nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.answers import documented

PROBLEM = {"type": "t", "title": "T", "status": 404, "detail": "d", "requestId": "r"}
HEALTH = {"status": "ok", "checks": {}}
ID = "wat_" + "0" * 32


def complaint(method: str, path: str, status: int, body: Any, **headers: str) -> str | None:
    kind = "application/json" if status < 400 else "application/problem+json"
    given = {"X-Request-Id": "r", "Content-Type": kind, **{name.replace("_", "-"): headers[name] for name in headers}}
    text = b"" if body is None else json.dumps(body).encode()
    return documented().complaint(method, path, status, given, text)


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/livez", 200, HEALTH), ("HEAD", "/livez", 200, None), ("POST", "/v1/events", 202, {"id": "evt_1"}),
        ("DELETE", f"/v1/watches/{ID}", 204, None), ("GET", f"/v1/watches/{ID}", 404, PROBLEM),
        ("GET", "/nothing", 404, PROBLEM), ("PUT", "/v1/events", 405, PROBLEM),
        ("GET", "/own/7/orders", 405, PROBLEM), ("POST", "/own/7/orders", 202, {"id": "evt_1"}),
        ("PUT", "/own/7/orders/1", 202, {"id": "evt_1"}),
        ("POST", "/v1/events/batch", 202, {"results": [{"id": "evt_1"}, {"error": PROBLEM}]}),
    ],
)  # fmt: skip
def test_what_is_documented_passes(method: str, path: str, status: int, body: Any) -> None:
    assert complaint(method, path, status, body) is None


@pytest.mark.parametrize(
    ("method", "path", "status", "body", "said"),
    [
        ("GET", "/livez", 500, PROBLEM, "status 500"),
        ("GET", "/nothing", 200, HEALTH, "status 200"),
        ("PUT", "/own/7/orders/1", 202, {"more": 1}, "more"), ("POST", "/own/7/watch", 202, {"id": "evt_1"}, "202"),
        ("PUT", "/v1/events", 404, PROBLEM, "status 404"),
        ("GET", "/livez", 200, {**HEALTH, "more": 1}, "more"),
        ("GET", "/livez", 200, {"status": "ok"}, "checks"),
        ("GET", "/livez", 200, {"status": 1, "checks": {}}, "status: 1"),
        ("POST", "/v1/events/batch", 202, {"results": [{"id": "evt_1", "more": 1}]}, "results/0"),
        ("GET", f"/v1/watches/{ID}", 404, {**PROBLEM, "trace": "x"}, "trace"),
        ("DELETE", f"/v1/watches/{ID}", 204, {}, "body"),
        ("HEAD", "/livez", 200, HEALTH, "body"),
        ("POST", "/v1/events", 503, PROBLEM, "Retry-After"),
    ],
)  # fmt: skip
def test_what_is_not_documented_is_told(method: str, path: str, status: int, body: Any, said: str) -> None:
    assert said in str(complaint(method, path, status, body))


def test_another_content_type_is_told() -> None:
    assert "text/plain" in str(complaint("GET", "/livez", 200, HEALTH, Content_Type="text/plain"))


def test_a_fixed_path_wins_over_a_parameter() -> None:
    assert "status 404" in str(complaint("POST", "/v1/events/batch", 404, PROBLEM))
