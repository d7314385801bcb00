"""The folder that the processes of a service share: a killed service leaves it behind, the next one takes it away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from occasion.service.sharedfolder import NEW_SECONDS, shared_folder

HOLD = """
import sys, time
from pathlib import Path
from occasion.service.sharedfolder import shared_folder
with shared_folder(Path(sys.argv[1])) as folder:
    print(folder, flush=True)
    time.sleep(60)
"""


def age(folder):
    then = time.time() - NEW_SECONDS - 1
    os.utime(folder, (then, then))


def test_what_a_killed_service_left_is_taken_away_and_nothing_else(tmp_path):
    holders = [subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    try:
        dead, alive, late = (tmp_path / holder.stdout.readline().strip() for holder in holders)
        (foreign := tmp_path / "occasion-metrics-foreign").mkdir()
        for holder in (holders[0], holders[2]):
            holder.send_signal(signal.SIGKILL)
            holder.wait()
        for folder in (dead, alive, foreign):
            age(folder)
        with shared_folder(tmp_path) as mine:
            # One has died just now, and nobody knows of the foreign one whether it is used.
            assert {path for path in tmp_path.iterdir() if path.is_dir()} == {mine, alive, late, foreign}
        assert not mine.exists()
    finally:
        for holder in holders:
            holder.kill()
            holder.wait()
            holder.stdout.close()
