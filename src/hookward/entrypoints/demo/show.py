"""What the demo prints."""

from __future__ import annotations

import io
import json
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from hookward.entrypoints.demo.receiver import Received

_TAIL_LINES = 25
_BODY_CHARS = 400


class Show:
    """Prints for people; with ``as_json`` on standard error, and one line of JSON on standard output."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        self._console = Console(stderr=as_json, highlight=False, markup=False, emoji=False)

    def say(self, text: str = "", style: str = "") -> None:
        """A line."""
        self._console.print(Text(text, style=style), soft_wrap=True)

    def received(self, each: Received) -> None:
        """A request as it was received: what, how it was answered, whether it verified, and a line of its body."""
        mark, word, style = ("✓", "yes", "green") if each.verified else ("✗", "no", "red")
        line = Text.assemble(
            (f"{mark} ", style),
            (f"{each.event:<34}", "bold"),
            f" attempt {each.attempt}  status {each.status}  signature verified: ",
            (word, style),
        )
        self._console.print(line, soft_wrap=True)
        body = each.body[:_BODY_CHARS].decode("utf-8", "replace")
        self._console.print(Text(f"  {body}", style="dim"), no_wrap=True, overflow="ellipsis")

    def failure(self, reason: str, log: Path) -> None:
        """Why it failed, and the last that the service said."""
        self.say(f"✗ the demo failed: {reason}", "bold red")
        try:
            with log.open(encoding="utf-8", errors="replace") as lines:
                tail = deque(lines, maxlen=_TAIL_LINES)
        except OSError:
            return
        self.say("the end of the service's log:", "dim")
        for line in tail:
            self.say("  " + line.rstrip("\n"), "dim")

    def result(self, *, ok: bool, deliveries: Sequence[dict[str, Any]]) -> None:
        """The one line of JSON, where it was asked for."""
        if self._as_json:
            print(json.dumps({"ok": ok, "deliveries": list(deliveries)}, ensure_ascii=False), flush=True)
