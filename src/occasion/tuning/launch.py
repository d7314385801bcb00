"""Launch: the training in several processes, started, listened to and ended by the one that asked for it.

Each is `occasion.tuning.worker`. It is handed its assignment on stdin, which stays open as long as its parent lives, and tells on
stdout, a JSON object a line, what happens. The first that ends before its time ends all; whole checkpoints stay.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess  # nosec B404: this interpreter is started, with arguments of our own
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from occasion import errors
from occasion.errors import ModelError, OccasionError, SettingsError
from occasion.tuning.assignment import Assignment, packed
from occasion.tuning.checkpoints import saving

if TYPE_CHECKING:
    from occasion.tuning.lessons import Lessons
    from occasion.tuning.options import TuneOptions
    from occasion.tuning.training import Course

__all__ = ["LEARNT", "MEETING", "devices", "processes", "train_together"]

LEARNT, MEETING = "learnt.safetensors", "meeting"
"""Files of the launch: the weights at the end, and where the processes find each other."""
GRACE = 1.0
"""Seconds in which the others tell what befell them once one has ended: the first to be heard need not be the first to fail."""
AGAIN = "run the same command again; it goes on from the last whole checkpoint"


def devices(options: TuneOptions) -> int:
    """Return the number of CUDA devices to train on, 0 for the CPU.

    Raises
    ------
    SettingsError
        For more processes than devices, and where something else started this process as one of several.
    """
    import torch

    started = os.environ.get("WORLD_SIZE", "1")
    if started != "1":
        raise SettingsError(
            f"this is one of {started} processes of torchrun or the like (WORLD_SIZE). Cure: run it by itself; "
            f"--processes {started} starts as many."
        )
    there = torch.cuda.device_count() if options.device != "cpu" and torch.cuda.is_available() else 0
    if there and options.processes is not None and options.processes > there:
        raise SettingsError(f"processes is {options.processes}, CUDA devices here: {there}. Cure: 1 to {there}, or --device cpu.")
    return there


def processes(options: TuneOptions, devices: int, lessons: int) -> int:
    """Return how many processes train on so many devices and lessons.

    Raises
    ------
    SettingsError
        For more than there are lessons in a step.
    """
    step = min(options.lessons_a_step, lessons)
    if options.processes is None:
        return max(1, min(devices, step))
    if options.processes > step:
        raise SettingsError(f"processes is {options.processes}, lessons a step: {step}. Cure: 1 to {step}, or a larger batch.")
    return options.processes


def train_together(
    model: Any,
    lessons: Lessons,
    options: TuneOptions,
    work: Path,
    *,
    home: Path,
    processes: int,
    epochs: int,
    deadline: float | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Course:
    """Do what `occasion.tuning.training.train` does, in so many processes; `model` holds the same weights as theirs afterwards.

    Raises
    ------
    ModelError
        Where one of them ended before its time.
    OccasionError
        What one of them raised.
    """
    import torch
    from safetensors.torch import load_file

    from occasion.tuning.training import Course

    folder = work / "processes"
    with saving(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    assignment = Assignment(
        lessons=lessons, options=options, home=home, work=work, folder=folder, processes=processes, epochs=epochs,
        threads=max(1, torch.get_num_threads() // processes), seconds=None if deadline is None else deadline - time.monotonic(),
    )  # fmt: skip
    device = model.device
    # The first of them needs the memory of its device.
    model.to("cpu")
    if device.type == "cuda":
        torch.cuda.empty_cache()
    found = _Launch(assignment).done(progress)
    model.load_state_dict(load_file(str(folder / LEARNT)), strict=False)
    model.to(device)
    return Course(**found | {"curve": [(int(step), float(value)) for step, value in found["curve"]]})


class _Launch:
    """All processes of a launch."""

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment
        self.told: SimpleQueue[tuple[int, dict[str, Any]]] = SimpleQueue()
        self.course: dict[str, Any] = {}

    def done(self, progress: Callable[[str, int, int], None] | None) -> dict[str, Any]:
        """Start them, wait for their end, and return the course; whatever is raised meanwhile, none is left."""
        handed, workers = packed(self.assignment), []
        try:
            for rank in range(self.assignment.processes):
                workers.append(_Worker(rank, self.assignment, handed, self.told))
            left = len(workers)
            while left:
                rank, message = self.told.get()
                if "stage" in message and progress is not None:
                    progress(*message["stage"])
                self.course = message.get("course", self.course)
                if message.get("failed") or message.get("ended"):
                    raise self._failure(rank, message)
                left -= "ended" in message
            return self.course
        finally:
            for worker in workers:
                worker.end()

    def _failure(self, rank: int, message: dict[str, Any]) -> Exception:
        """Return the error that tells what ended the training: one raised on purpose, a signal from outside, or the first one."""
        heard = [(rank, message)]
        end = time.monotonic() + GRACE
        while (left := end - time.monotonic()) > 0:
            with suppress(Empty):
                heard.append(self.told.get(timeout=left))
        failed = sorted((n for n in heard if "failed" in n[1]), key=lambda n: float(n[1]["failed"]["at"]))
        meant = [n for n in failed if _class(n[1]["failed"]["kind"]) is not None]
        # What stops a process by SIGABRT is its own library, often since another one is gone.
        killed = [n for n in heard if n[1].get("ended", 0) < 0 and n[1]["ended"] != -signal.SIGABRT]
        rank, message = [*meant, *killed, *failed, *heard][0]
        return _told(message["failed"], rank, self.assignment) if "failed" in message else self._gone(rank, message["ended"])

    def _gone(self, rank: int, code: int) -> ModelError:
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        of, log = self.assignment.processes, _log(self.assignment.folder, rank)
        return ModelError(
            f"process {rank + 1} of {of} {how} while it learnt; {log} has its last words. Cure: if memory ran short, "
            f"a smaller batch or fewer processes; {AGAIN}."
        )


def _class(kind: str) -> type[OccasionError] | None:
    found = getattr(errors, kind, None)
    return found if isinstance(found, type) and issubclass(found, OccasionError) else None


def _told(failed: dict[str, Any], rank: int, assignment: Assignment) -> Exception:
    """Return an error of a process, as it was where it was raised on purpose."""
    kind, text = failed["kind"], failed["text"]
    meant = _class(kind)
    if meant is not None:
        return meant(text)
    error = ModelError(f"process {rank + 1} of {assignment.processes} failed ({kind}: {text}). Cure: see to that, then {AGAIN}.")
    error.add_note(failed["trace"])
    return error


def _log(folder: Path, rank: int) -> Path:
    return folder / f"process-{rank + 1}.log"


class _Worker:
    """One process and the thread that listens to it."""

    def __init__(self, rank: int, assignment: Assignment, handed: bytes, told: SimpleQueue[tuple[int, dict[str, Any]]]) -> None:
        self.rank, self.handed, self.told = rank, handed, told
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        environment = os.environ | {
            "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(assignment.processes), "TQDM_DISABLE": "1",
            "LOCAL_WORLD_SIZE": str(assignment.processes), "OMP_NUM_THREADS": str(assignment.threads), "PYTHONPATH": path,
        }  # fmt: skip
        command = [sys.executable, "-P", "-m", "occasion.tuning.worker"]
        with _log(assignment.folder, rank).open("wb") as log:
            self.process = subprocess.Popen(  # noqa: S603  # nosec B603: a list of our own words, no shell
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment
            )
        self.thread = Thread(target=self._listen, daemon=True, name=f"process {rank + 1}")
        self.thread.start()

    def _listen(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        # One that is gone already shows that below.
        with suppress(OSError):
            self.process.stdin.write(self.handed)
            self.process.stdin.flush()
        for line in self.process.stdout:
            self.told.put((self.rank, json.loads(line)))
        self.told.put((self.rank, {"ended": self.process.wait()}))

    def end(self) -> None:
        """End it where it has not ended."""
        if self.process.poll() is None:
            self.process.kill()
        self.thread.join()
        for stream in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                if stream is not None:
                    stream.close()
