"""The number of threads that TensorFlow computes with: one for the whole process."""

from __future__ import annotations

import os

from vidlab.core.console import say
from vidlab.core.dependencies import require


def set_threads(num_threads: int) -> None:
    """Let TensorFlow compute with so many threads, if it has not begun.

    It fixes its thread counts when it first computes; where that has happened with another
    number, a note says what is in force.
    """
    threading = require("tensorflow", why="this backend").config.threading
    if threading.get_intra_op_parallelism_threads() == num_threads:
        return
    try:
        threading.set_intra_op_parallelism_threads(num_threads)
        threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        say(
            f"TensorFlow is already running with "
            f"{threading.get_intra_op_parallelism_threads() or 'its own choice of'} threads; "
            f"num_threads={num_threads} takes effect in a new process."
        )


def threads_in_force() -> int:
    """Return how many threads TensorFlow computes one operation with."""
    threading = require("tensorflow", why="this backend").config.threading
    return int(threading.get_intra_op_parallelism_threads()) or os.cpu_count() or 1
