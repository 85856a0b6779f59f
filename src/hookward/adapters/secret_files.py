"""Secrets that the service made for itself: one file each, readable by its owner alone."""

from __future__ import annotations

import os
from pathlib import Path

from hookward.domain.errors import ConfigError


def read_secret(file: Path, setting: str) -> str:
    """The secret in ``file``; raises ConfigError, naming ``setting``, when there is none."""
    try:
        return file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigError(
            f"{setting}: not set, and {file} cannot be read; set it, or let hookward serve make it"
        ) from None


def make_secret(file: Path, secret: str) -> bool:
    """Write ``secret`` to ``file`` (0600, on disk before we go on) unless it exists; answers whether it was written."""
    if file.exists():
        return False
    temporary = file.with_name(file.name + ".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secret.encode("ascii") + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.rename(file)
    return True
