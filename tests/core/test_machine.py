"""What is known of the machine."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores are assigned on Linux only")
def test_threads_and_processes_are_as_many_as_the_cores_this_process_may_use():
    told = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.cpu_count = lambda: 64
from vidlab.core.machine import num_cores
from vidlab.models.base import default_num_threads
print(num_cores(), default_num_threads())
"""
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1"]
