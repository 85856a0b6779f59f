"""How many files and sockets a process may have open."""

from __future__ import annotations


def raise_descriptor_limit() -> None:
    """Take all the descriptors that the system allows: every connection is one."""
    import resource  # noqa: PLC0415  not on every platform

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
