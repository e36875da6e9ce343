"""The processor's cores that this process may use."""

import os


def usable() -> list[int]:
    """Return their numbers, ascending: those that taskset or a container left it, where the system tells (Linux)."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def confine(process: int, cores: frozenset[int]) -> None:
    """Let a process use these cores only; where the system cannot do that (macOS), it is left as it is.

    Raises:
        ProcessLookupError: it has ended.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(process, cores)
