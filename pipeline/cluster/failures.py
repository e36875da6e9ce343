"""Errors of clusters and their jobs, and why workers failed, in one line."""

import re

_MEMORY = re.compile(r"out of memory|low on memory|can't allocate memory|MemoryError", re.IGNORECASE)
_LESS_MEMORY = (
    "; expected enough memory for the workers: raise train.accumulation (the same steps in smaller parts), or lower "
    "train.batch_size, or train.num_workers on one machine"
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")  # Ray colours the tracebacks of workers
_DETAILS = re.compile(r" Object store memory usage| Worker info: Worker\(")
_TRACEBACK = "Traceback (most recent call last)"


class ClusterError(RuntimeError):
    """There is no room for the workers, or they failed too often; the message contains the first error."""


class JobError(ValueError):
    """A job cannot be sent, followed or fetched; the message says what to do."""


def cause(failures: dict[int, Exception]) -> str:
    """Return the first worker's error, as far as Ray kept it; a lost worker causes the errors of the others."""
    lost = {rank: err for rank, failure in failures.items() if (err := getattr(failure, "health_check_failure", None))}
    rank, failure = min((lost or failures).items())
    return f"worker {rank}: {described(failure)}"


def described(error: BaseException, less_memory: str = _LESS_MEMORY) -> str:
    """Return an error's type and text without Ray's ids, tables and tracebacks, and what to do if memory ran out."""
    lines = [line for line in _COLOUR.sub("", str(error)).splitlines() if not line.startswith(("\t", "- "))]
    trace = next((number for number, line in enumerate(lines) if _TRACEBACK in line), None)
    if trace is not None:  # the last line is the error that the traceback leads to
        lines = [*lines[:trace], *[line for line in lines[trace:] if line.strip()][-1:]]
    text = f"{type(error).__name__}: {_DETAILS.split(' '.join(lines))[0]}"
    return text + less_memory if _MEMORY.search(text) else text


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out, of the machine or of a GPU."""
    return _MEMORY.search(described(error, "")) is not None
