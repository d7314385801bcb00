"""What is made once, however many want it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from occasion.exclusive import made_once


def test_of_several_one_makes_it_and_the_others_wait_until_it_is_whole(tmp_path: Path) -> None:
    folder, made, found = tmp_path / "models" / "one", [], []

    def make(path: Path) -> None:
        made.append(path)
        path.mkdir()
        (path / "first.txt").touch()
        time.sleep(0.2)
        (path / "model.txt").write_text("whole")

    def want() -> None:
        made_once(folder, "model.txt", make)
        found.append((folder / "model.txt").read_text())

    threads = [threading.Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (made, found) == ([folder], ["whole"] * 4)
    made_once(folder, "model.txt", make)
    assert len(made) == 1
