"""The machine that this process runs on."""

from __future__ import annotations

import os


def num_cores() -> int:
    """Return how many cores this process may use.

    That can be fewer than the machine has: a cluster's scheduler, a container or ``taskset``
    holds it to some of them.
    """
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
