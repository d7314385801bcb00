"""What a serving process sets up before its first request."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

OPENED = """
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import numpy as np
from occasion.service import process

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def opening():
    kept = [np.ones(250_000) for _ in range(20)]
    return len(kept)

# As after a language model was loaded: malloc has seen a large array go, and keeps twice as much from then on.
large = np.ones(3_500_000)
del large
if sys.argv[1] == "set":
    process._set_malloc(*process.OPENING)
before = resident()
pool = ThreadPoolExecutor(1)
pool.submit(opening).result()
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="these are settings of glibc")
def test_what_opening_takes_for_a_moment_goes_back_though_its_thread_stays():
    left = {}
    for how in ("plain", "set"):
        done = subprocess.run([sys.executable, "-c", OPENED, how], capture_output=True, text=True, timeout=60, check=True)
        left[how] = int(done.stdout)
    assert left["plain"] > 20_000_000
    assert left["set"] < 4_000_000
