"""Schemathesis makes up requests from the OpenAPI document: no 5xx, and no answer that is not documented.

``make fuzz`` runs at least 20,000 cases, ``make fuzz CASES=…`` as many as named, each pass some minutes and ever other
ones; the suite runs some hundreds in half a minute.
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

from hookward.config import environment_without_settings
from tests.service import Service

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "response_headers_conformance", "unsupported_method", "allow_header_conformance",
)  # fmt: skip
FEW = ("--phases", "fuzzing,stateful", "--max-examples", "5")
MANY = ("--max-examples", "50")
COUNT = re.compile(r"^  ([0-9]+) generated, ", re.MULTILINE)
BARE = {"PYTHONWARNINGS": "default", "NO_COLOR": "1", "COLUMNS": "160"}


@pytest.fixture
def cases(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--fuzz-cases"))


async def fuzz(service: Service, directory: Path, seed: int, *options: str) -> int:
    """One run; answers how many requests it made up. A failure shows each as a command to repeat it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}/openapi.json",
        "--header", f"Authorization: Bearer {service.key}", "--checks", ",".join(CHECKS), "--seed", str(seed),
        "--continue-on-failure", "--generation-database", "none", "--warnings", "off", *options,
        cwd=directory, env={**environment_without_settings(), **BARE},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        output = (await process.communicate())[0].decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, output
    print(output)
    count = COUNT.search(output)
    assert count is not None, output
    return int(count[1])


@pytest.mark.timeout(3600)
async def test_made_up_requests_find_no_error_and_no_answer_that_is_not_documented(tmp_path: Path, cases: int) -> None:
    settings = {"HOOKWARD_SERVER__PATH_PREFIXES": "/api/2.3", "HOOKWARD_DELIVERY__SCHEDULE": "1s"}
    made, seed = 0, 1
    async with Service(tmp_path / "data", settings) as service:
        while made < max(cases, 1):
            made += await fuzz(service, tmp_path, seed, *(MANY if cases else FEW))
            seed += 1
        print(f"{made} cases in {seed - 1} runs")
