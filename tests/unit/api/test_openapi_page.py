"""The page for people, piece by piece."""

from __future__ import annotations

import re
from html import unescape

from hookward.bootstrap.factories import built_in_types
from hookward.entrypoints.api.openapi.page import make_page
from hookward.entrypoints.api.openapi.service import describe

PAGE = make_page(describe(built_in_types().values()))


def operation(name: str) -> str:
    """The text of one operation on the page, without markup."""
    _, _, rest = PAGE.partition(f'<details id="{name}">')
    return unescape(re.sub(r"<[^>]*>", "", rest.partition("<h4>Answers</h4>")[0]))


def test_content_types_of_one_shape_are_shown_once() -> None:
    assert "application/merge-patch+json or application/json WatchPatch" in operation("patchWatch")
    assert operation("patchWatch").count('"status": "paused"') == 1


def test_it_says_which_bodies_may_be_left_out() -> None:
    assert "Body, which may be left out" in operation("replay")
    assert "Body, " not in operation("patchWatch")
