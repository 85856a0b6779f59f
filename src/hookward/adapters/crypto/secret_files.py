"""Read and write secret files: one secret that the service generated, or a list of master keys."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from hookward.domain.errors import ConfigError


def read_secret(file: Path, setting: str) -> str:
    """Return the secret in ``file``. Raises ConfigError, which names ``setting``, if the file cannot be read."""
    try:
        return file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigError(
            f"{setting}: not set, and {file} cannot be read; set it, or let hookward serve make it"
        ) from None


def make_secret(file: Path, secret: str) -> bool:
    """Write ``secret`` to ``file`` (mode 0600, synced) unless the file exists; returns whether it was written."""
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


_MOST_BYTES = 64 * 1024
_TOO_OPEN = stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP


def read_secrets(file: Path, setting: str) -> list[str]:
    """Return the secrets in ``file``, one on each line, without empty lines and comments (``#``).

    Raises ConfigError, which names ``setting``, when there is none, or when other users may read or change the file.
    The group may read it: orchestrators pass secrets this way to a process that is not root.
    """
    try:
        with file.open("rb") as opened:
            about = os.fstat(opened.fileno())
            text = opened.read(_MOST_BYTES).decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not ASCII"
        raise ConfigError(f"{setting}: {file} cannot be read: {reason}") from None
    if about.st_mode & _TOO_OPEN:
        mode = stat.S_IMODE(about.st_mode)
        raise ConfigError(f"{setting}: {file} is open to others ({mode:04o}); chmod 600 {file}")
    lines = [line.strip() for line in text.splitlines()]
    secrets = [line for line in lines if line and not line.startswith("#")]
    if not secrets:
        raise ConfigError(f"{setting}: there is no key in {file}")
    return secrets
