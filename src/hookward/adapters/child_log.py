"""The output of a child in a file that cannot fill the disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

LOG_BYTES = 8 * 1024 * 1024


def open_log(path: Path) -> int:
    """A descriptor to give to a child as its output; its directory is made if need be. The caller closes it."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def trim_log(path: Path, *, limit: int = LOG_BYTES) -> None:
    """Start the file afresh once it is over ``limit`` bytes, keeping the last of them beside it as ``….1``.

    The file is emptied in place, for the child keeps its descriptor; appending writers go on at the new end. Lines
    written between the copy and the cut are lost.
    """
    try:
        if path.stat().st_size <= limit:
            return
        kept = path.with_name(path.name + ".1")
        with (
            path.open("rb") as log,
            os.fdopen(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as old,
        ):
            log.seek(-limit, os.SEEK_END)
            shutil.copyfileobj(log, old)
        os.truncate(path, 0)
    except FileNotFoundError:
        return
