"""How the C library allocates memory in the processes that train."""

VARIABLES = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}
"""glibc's own, with which a process keeps what it has freed (mallopt(3)), and no thread has a heap of its own.

By default it gives large blocks back, and the next step asks for the same memory again, page by page, zeroed: 3 to 8 %
of a step on a CPU (docs/performance.md). A step's peak is the same for all, so nothing is held that it will not need.
Other C libraries do not read them.
"""
