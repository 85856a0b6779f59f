"""SECURITY.md and docs/promises.md name tests: each of them has to exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def named(page: str) -> list[tuple[str, str]]:
    return re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", (ROOT / page).read_text("utf-8"))


SECURITY, PROMISES = named("SECURITY.md"), named("docs/promises.md")


@pytest.mark.parametrize(("file", "name"), sorted({*SECURITY, *PROMISES}))
def test_a_test_that_a_page_names_is_there(file: str, name: str) -> None:
    text = (ROOT / file).read_text("utf-8")
    assert not name or re.search(rf"^(async )?def {name}\(", text, re.MULTILINE), f"{file} has no {name}"


def test_the_security_page_names_tests_for_every_attacker() -> None:
    assert len(SECURITY) > 30


def test_every_promise_names_a_test_that_holds_it() -> None:
    promises = re.split(r"^## (?=G\d)", (ROOT / "docs/promises.md").read_text("utf-8"), flags=re.MULTILINE)[1:]
    assert [each.split()[0] for each in promises if "`tests/" not in each] == []
