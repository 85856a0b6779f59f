"""Each revision of the schema says what may run on it."""

from __future__ import annotations

import re

from hookward.adapters.postgres.migrate import MIGRATIONS

OLDEST = re.compile(r'^oldest_version = "(\d+)\.(\d+)\.(\d+)"$', re.MULTILINE)


def test_every_revision_names_the_oldest_version_that_may_run_on_it() -> None:
    scripts = {file.name: file.read_text() for file in (MIGRATIONS / "versions").iterdir() if file.name.endswith(".py")}

    found = {name: OLDEST.search(script) for name, script in scripts.items()}

    assert scripts
    assert [name for name, match in found.items() if match is None] == []


def test_no_revision_lets_older_versions_run_than_the_one_before() -> None:
    files = sorted(file.name for file in (MIGRATIONS / "versions").iterdir() if file.name.endswith(".py"))

    versions = [OLDEST.findall((MIGRATIONS / "versions" / name).read_text()) for name in files]

    oldest = [tuple(int(part) for part in match) for [match] in versions]
    assert oldest == sorted(oldest)
