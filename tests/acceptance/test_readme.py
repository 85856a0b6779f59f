"""The commands of README and how-to pages do what these say: bash blocks are run as they stand, on ports of our own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.commands import PATIENCE_SECONDS, environment, free_port, listens, serving, wait_until

README = Path(__file__).parents[2] / "README.md"
HOW_TO = sorted((README.parent / "docs" / "how-to").glob("*.md"))
PAGES = [README, *(README.parent / "docs").rglob("*.md")]


class Terminal:
    """Runs blocks in one directory; what the first block sets up holds for all."""

    def __init__(self, directory: Path, blocks: list[str]) -> None:
        self.directory = directory
        self._setup, *self.blocks = blocks

    def run(self, block: str) -> dict[str, Any]:
        """A block to its end; answers the JSON that it printed."""
        ended = subprocess.run(
            ("bash", "-euc", self._setup + block),
            cwd=self.directory, env=environment(), capture_output=True, timeout=PATIENCE_SECONDS, check=True,
        )  # fmt: skip
        told: dict[str, Any] = json.loads(ended.stdout)
        return told

    def follow(self, blocks: list[str]) -> subprocess.CompletedProcess[str]:
        """Blocks one after the other in one shell, in which nothing may fail."""
        return subprocess.run(
            ("bash", "-euo", "pipefail", "-c", self._setup + "\n".join(blocks)),
            cwd=self.directory, env=environment(), capture_output=True, encoding="utf-8", timeout=PATIENCE_SECONDS,
            check=False,
        )  # fmt: skip

    @contextmanager
    def leave_running(self, block: str, output: Path) -> Iterator[None]:
        """A block whose last command goes on in the background."""
        with (
            output.open("wb") as file,
            subprocess.Popen(
                ("bash", "-euc", self._setup + block),
                cwd=self.directory, env=environment(), stdout=file, stderr=subprocess.DEVNULL, start_new_session=True,
            ) as bash,
        ):  # fmt: skip
            try:
                assert bash.wait(PATIENCE_SECONDS) == 0
                yield
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(bash.pid, signal.SIGTERM)


class Reader:
    """A reader who follows the pages beside a service and a receiver of their own."""

    def __init__(self, directory: Path) -> None:
        self.port, self.receiver_port = free_port(), free_port()
        self.terminal = Terminal(directory, self.blocks(README))
        self.received = directory / "received"

    def blocks(self, page: Path) -> list[str]:
        text = page.read_text("utf-8").replace("127.0.0.1:8420", f"127.0.0.1:{self.port}")
        text = text.replace("127.0.0.1:9000", f"127.0.0.1:{self.receiver_port}")
        text = text.replace('"127.0.0.1", 9000', f'"127.0.0.1", {self.receiver_port}')
        return re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader who has done what the README says to set things up: one service for all pages."""
    reader = Reader(tmp_path_factory.mktemp("reader"))
    receive = reader.terminal.blocks[0]
    with (
        serving(reader.terminal.directory, server__port=str(reader.port), egress__allow="127.0.0.1/32"),
        reader.terminal.leave_running(receive, reader.received),
    ):
        wait_until(lambda: listens(reader.receiver_port))
        yield reader


def test_the_first_watch_and_event_arrive(reader: Reader) -> None:
    _, watch, publish, look = reader.terminal.blocks
    registered = reader.terminal.run(watch)
    assert registered["signature"]["secret"].startswith("whsec_")
    assert reader.terminal.run(publish)["id"].startswith("evt_")
    wait_until(lambda: [each["status"] for each in reader.terminal.run(look)["data"]] == ["delivered"])
    lines = [line.split(" ", 2) for line in reader.received.read_text("utf-8").splitlines()]
    event, signature, body = next(line for line in lines if "Garçon" in line[2])
    assert event == "appointment.updated"
    assert signature.startswith("v1,")
    assert json.loads(body) == {"change": "updated", "who": "Zoë Garçon"}


@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.stem)
def test_every_command_of_a_page_does_what_it_says(reader: Reader, page: Path) -> None:
    blocks = reader.blocks(page)
    assert blocks
    followed = reader.terminal.follow(blocks)
    assert followed.returncode == 0, f"{followed.stdout}\n{followed.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(README.parent)))
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    named = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8"))
    assert [name for name in named if not (page.parent / name).exists()] == []


def test_the_readme_leads_to_every_how_to_page() -> None:
    named = re.findall(r"\]\((docs/how-to/[^)#]+)", README.read_text("utf-8"))
    assert sorted(named) == [str(page.relative_to(README.parent)) for page in HOW_TO]
