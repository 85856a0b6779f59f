"""Which documents a watch's filter wants."""

from __future__ import annotations

from typing import Any

import pytest

from hookward.domain.errors import BudgetExceeded
from hookward.domain.jsonpath.nodes import Steps
from hookward.domain.templates.filters import compile_filter

DOCUMENT = {"status": "accepted", "seats": 3, "none": None, "client": {"id": "c"}, "list": [{"v": 1}, {"v": 2}, 7]}


def wants(text: str, document: Any = DOCUMENT) -> bool:
    return compile_filter(text).wants(document, Steps(10_000))


@pytest.mark.parametrize(
    "text",
    [
        "$.status", "$.none", "$.list[0]", "$.list[*].v", '$[?(@.status == "accepted")]', "$[?@.seats >= 3].status",
        "$[?@ == 3]", "$[?(@.id == 'c')]", "$.client[?(@.id == 'c')]", "$.client[?@ == 'c']", "$.list[?@.v > 1]",
        "$.list[?@ == 7]", "$[?$.seats != 4]", "$[?(@.client.id == 'c')][?(@.id == 'c')]",
    ],
)  # fmt: skip
def test_a_document_is_wanted_in_which_something_is_selected(text: str) -> None:
    assert wants(text)


@pytest.mark.parametrize(
    "text",
    [
        "$.no", "$.list[3]", '$[?(@.status == "declined")]', "$[?@.seats > 3]", "$[?(@.id == 'd')]", "$[?@ == 4]",
        "$.client[?(@.id == 'd')]", "$.list[?@.v > 2]", "$[?$.seats != 3]", "$.list[?(@.status == 'accepted')]",
        "$.status[?@ == 'accepted']", "$[?(@.status == 'accepted')].no",
    ],
)  # fmt: skip
def test_a_document_is_not_wanted_in_which_nothing_is(text: str) -> None:
    assert not wants(text)


def test_a_filter_that_touches_too_much_says_so() -> None:
    with pytest.raises(BudgetExceeded, match="select less"):
        compile_filter("$.list[?@ > 1]").wants({"list": [0] * 100}, Steps(50))
