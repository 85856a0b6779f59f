"""Run another program in this process that ends when its parent does, and that is not root.

Run as ``python -I -S confine.py MODE PARENT_PID DEATH_SIGNAL EXE ARGV0 [ARG…]``; ``confined`` writes that line.
Only the standard library is imported, and little of it: this runs before every start of a store. PostgreSQL refuses
to be root, so root is dropped for good, without changing the mode or the owner of anything:

* ``user-namespace``: the same user under another number, inside a new user namespace. The owner of its files does not
  change.
* ``ambient``: where namespaces are refused (as in a container's usual profile), the unprivileged user 65534, with the
  one capability that lets it pass directories that belong to root.
* ``none``: the current user.

The exit status is 125 if the parent had already ended, and 126 if the confinement was refused.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import NoReturn

PARENT_GONE = 125
REFUSED = 126

UNPRIVILEGED_USER = 65534

_LIKELY_USERS = (1000, 1, 2, UNPRIVILEGED_USER)
"""User numbers for a namespace; the first that the password file knows is used, because initdb needs a name."""

# linux/prctl.h, linux/sched.h, linux/securebits.h, linux/capability.h
_PR_SET_PDEATHSIG = 1
_PR_SET_SECUREBITS = 28
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CLONE_NEWUSER = 0x10000000
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_SECBIT_KEEP_CAPS = 1 << 4
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_OVERRIDE = 1


class Confinement(StrEnum):
    """How a child process stops being root."""

    NONE = "none"
    USER_NAMESPACE = "user-namespace"
    AMBIENT = "ambient"


def confined(
    exe: Path,
    arguments: Sequence[str],
    *,
    mode: Confinement = Confinement.NONE,
    death_signal: signal.Signals = signal.SIGKILL,
    argv0: str | None = None,
) -> tuple[str, ...]:
    """Return the command line that runs ``exe`` confined, as a child of the calling process.

    ``death_signal`` is sent to it when the thread that started it ends. ``argv0`` is the name it shows in ``ps``;
    the full path unless given.
    """
    python = (sys.executable, "-I", "-S", __file__)
    return (*python, mode.value, str(os.getpid()), str(death_signal.value), str(exe), argv0 or str(exe), *arguments)


class _Kernel:
    """The calls of libc that Python has no function for."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)

    def prctl(self, option: int, *values: int) -> None:
        padded = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
        self._check("prctl", self._libc.prctl(option, *padded))

    def unshare(self, flags: int) -> None:
        self._check("unshare", self._libc.unshare(flags))

    def keep_only(self, capability: int) -> None:
        """Keep one capability (of the first 32) in the permitted, effective and inheritable sets."""
        header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
        bit = 1 << capability
        low_and_high_words = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
        self._check("capset", self._libc.capset(header, low_and_high_words))

    @staticmethod
    def _check(call: str, result: int) -> None:
        if result != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"{call}: {os.strerror(number)}")


def _enter_user_namespace(kernel: _Kernel) -> None:
    uid, gid = os.geteuid(), os.getegid()
    number = next(filter(_has_name, _LIKELY_USERS), _LIKELY_USERS[0])
    kernel.unshare(_CLONE_NEWUSER)
    # gid_map may be written only once setgroups is denied: user_namespaces(7)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{number} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{number} {gid} 1")


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _become_unprivileged(kernel: _Kernel) -> None:
    os.setgroups([])
    os.setresgid(UNPRIVILEGED_USER, UNPRIVILEGED_USER, UNPRIVILEGED_USER)
    kernel.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP | _SECBIT_KEEP_CAPS)
    os.setresuid(UNPRIVILEGED_USER, UNPRIVILEGED_USER, UNPRIVILEGED_USER)
    kernel.keep_only(_CAP_DAC_OVERRIDE)
    kernel.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE)


def _die_with(kernel: _Kernel, parent: int, death_signal: int) -> None:
    if death_signal != signal.SIGKILL:
        # Python's own handler would only record the signal, and the exec would then lose it
        signal.signal(death_signal, signal.SIG_DFL)
    kernel.prctl(_PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:
        sys.exit(PARENT_GONE)


def _confine(mode: Confinement, parent: int, death_signal: int) -> None:
    kernel = _Kernel()
    if mode is Confinement.USER_NAMESPACE:
        _enter_user_namespace(kernel)
    elif mode is Confinement.AMBIENT:
        _become_unprivileged(kernel)
    _die_with(kernel, parent, death_signal)  # last: a change of credentials clears the death signal


def run_confined(arguments: Sequence[str]) -> NoReturn:
    mode, parent, death_signal, exe, *argv = arguments
    try:
        if sys.platform == "linux":
            _confine(Confinement(mode), int(parent), int(death_signal))
        os.execv(exe, argv)  # noqa: S606 — the point of this file; no shell is wanted
    except OSError as error:
        print(f"confine {mode}: {error}", file=sys.stderr)  # noqa: T201 — a child that is not yet anything else
        sys.exit(REFUSED)


if __name__ == "__main__":
    run_confined(sys.argv[1:])
