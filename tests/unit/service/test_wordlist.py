"""The words that ``make check`` refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.wordlist import occurrences, report


@pytest.mark.parametrize(
    "text", ["Nobody asks", "test_nobody_asks", "sealed anew.", "NOBODY = 1", "see DESIGN.md", "CONTRACT section 5"]
)
def test_a_refused_word_is_found_in_any_case_and_in_names(text: str) -> None:
    assert len(list(occurrences(text))) == 1


@pytest.mark.parametrize("text", ["a new key", "any body", "contract suite", "the design", "renewal", "in a house"])
def test_other_words_are_left_alone(text: str) -> None:
    assert list(occurrences(text)) == []


def test_each_occurrence_is_reported_with_file_line_and_hint(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("good\nlikewise bad\n", "utf-8")
    assert report([str(page), str(tmp_path / "missing.md")]) == [f"{page}:2: 'likewise': also, in the same way"]


def test_what_is_not_text_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(b"nobody \xff\xfe")
    assert report([str(tmp_path / "picture")]) == []
