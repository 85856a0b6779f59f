"""The README's commands do what it says: its bash blocks are run as they stand, on ports of our own."""

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

from tests.acceptance.commands import PATIENCE_SECONDS, environment, free_port, listens, serving, wait_until

README = Path(__file__).parents[2] / "README.md"


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


def test_the_first_watch_and_event_arrive(tmp_path: Path) -> None:
    port, receiver_port = free_port(), free_port()
    text = README.read_text("utf-8").replace("127.0.0.1:8420", f"127.0.0.1:{port}")
    text = text.replace("127.0.0.1:9000", f"127.0.0.1:{receiver_port}").replace(
        '"127.0.0.1", 9000', f'"127.0.0.1", {receiver_port}'
    )
    terminal = Terminal(tmp_path, re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    receive, watch, publish, look = terminal.blocks
    received = tmp_path / "received"
    with (
        serving(tmp_path, server__port=str(port), egress__allow="127.0.0.1/32"),
        terminal.leave_running(receive, received),
    ):
        wait_until(lambda: listens(receiver_port))
        registered = terminal.run(watch)
        assert registered["signature"]["secret"].startswith("whsec_")
        assert terminal.run(publish)["id"].startswith("evt_")
        wait_until(lambda: [each["status"] for each in terminal.run(look)["data"]] == ["delivered"])
        event, signature, body = received.read_text("utf-8").rstrip("\n").split(" ", 2)
    assert event == "appointment.updated"
    assert signature.startswith("v1,")
    assert json.loads(body) == {"change": "updated", "who": "Zoë Garçon"}


def test_every_file_that_the_readme_names_exists() -> None:
    named = re.findall(r"\]\((?!https?:)([^)#]+)\)", README.read_text("utf-8"))
    assert named
    assert [name for name in named if not (README.parent / name).exists()] == []
