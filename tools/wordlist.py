"""Refuse words that are always wrong in this repository (CONTRIBUTING.md, "How we write").

Usage: ``python tools/wordlist.py FILE…``, or with file names on standard input, each ended by a NUL byte. Prints one
line for each occurrence and exits with 1 if there is one. Files that are not UTF-8 text are skipped.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

WORDS = {
    r"(?i:nobody|somebody|whoever)": "name the component, the user or the caller that is meant",
    r"(?i:anew)": "again, new",
    r"(?i:likewise)": "also, in the same way",
    r"CONTRACT|DESIGN(?:\.md)?|HOUSE": "name a page of docs/ (docs/promises.md, docs/reference, docs/decisions)",
}
"""Regular expressions of whole words, and what to write instead."""

SKIPPED = re.compile(r"(^|/)(LICENSE|package-lock\.json|requirements[\w-]*\.lock|wordlist\.py|test_wordlist\.py)$")
_BETWEEN = r"(?<![A-Za-z0-9])(?:{})(?![A-Za-z0-9])"  # an underscore ends a word: names of functions are read, too
_PATTERNS = {re.compile(_BETWEEN.format(word)): hint for word, hint in WORDS.items()}


def occurrences(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield line number, word and hint for each refused word of ``text``, line by line."""
    for number, line in enumerate(text.splitlines(), start=1):
        for pattern, hint in _PATTERNS.items():
            for match in pattern.finditer(line):
                yield number, match[0], hint


def report(names: Iterable[str]) -> list[str]:
    """Return one line for each refused word in the files called ``names``."""
    lines = []
    for name in names:
        path = Path(name)
        if SKIPPED.search(name) or not path.is_file():
            continue
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        lines += [f"{name}:{number}: {word!r}: {hint}" for number, word, hint in occurrences(text)]
    return lines


if __name__ == "__main__":
    found = report(sys.argv[1:] or sys.stdin.read().split("\0"))
    sys.stdout.write("".join(f"{line}\n" for line in found))
    sys.exit(bool(found))
