"""How the C library hands out memory: large blocks are kept and used again.

In: nothing. Out: a setting of this process. A training step, or a large view, takes and gives back
some GB in blocks of 5 to 80 MB. glibc asks the system anew for each block over 32 MB and returns
what lies free at the heap's end; the system then clears every page at its first touch, which is a
fifth of the step (benchmarks/train_step.py). Kept memory is as much as the step's peak. Threads
beside the main one have heaps of their own, which return what is freed unless the process starts
with MALLOC_ARENA_MAX=1. Where the C library is another one, nothing happens.
"""

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""mallopt's parameters, from glibc's malloc.h."""


def keep_freed_memory() -> bool:
    """Let this process keep what it frees; says whether the C library took the setting."""
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    taken = [library.mallopt(_MMAP_MAX, 0), library.mallopt(_TRIM_THRESHOLD, 2**31 - 1)]
    return all(taken)


def give_back_memory() -> None:
    """Return to the system what lies free now, whatever is kept otherwise."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
