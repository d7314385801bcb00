"""Studies: evaluations and fits in a process of their own, so that answers do not wait for them.

One at a time in a home, two in a service.

A study is a folder ``<home>/studies/<id>``: ``study.json`` (what was asked), ``state.json`` (how far it is), ``report.json``, and
``cancel`` where it is to stop. Run as a module with the folder's path, this file does the work. The service's home notes those
that run: ``<home>/studies-running/<id>`` holds the folder's path.
"""

from __future__ import annotations

import _thread
import json
import os
import shutil
import signal
import subprocess  # nosec B404: this interpreter is started, with arguments of our own
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from occasion.errors import ConflictError, DataError, NotFoundError, StoreError
from occasion.service.failures import is_inner, told
from occasion.service.logs import logger
from occasion.settings import Settings

__all__ = ["KINDS", "Studies", "main"]

KINDS: Mapping[str, tuple[str, ...]] = {
    "offline": ("share", "k", "max_queries", "seed", "curves"),
    "off-policy": ("version", "policy", "places", "reward", "max_slates", "seed"),
    "fit": ("budget", "queries", "promote", "seed"),
}
"""Kind to the options it takes."""
KEPT = 20
AT_ONCE = 2
"""Studies of all tenants together: each takes a core."""
RUNNING = "studies-running"
LOCK_SECONDS = 10.0
TELL_SECONDS = 0.3
BUDGET = 300.0
"""Seconds of a fit where nothing else is asked for."""
SILENT_SECONDS = 60.0
"""A study that has not said anything for so long, and whose process is gone, has died."""


class Studies:
    """The studies of one home.

    Parameters
    ----------
    settings : Settings
        Of the tenant.
    root : Path
        The service's home, which may be the tenant's.
    """

    def __init__(self, settings: Settings, root: Path) -> None:
        self._settings, self._folder = settings, settings.home / "studies"
        self._notes, self._lock = root / RUNNING, root / f"{RUNNING}.lock"

    def start(self, kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Begin a study; return how it stands.

        Raises
        ------
        DataError
            For a kind or an option that is not there.
        ConflictError
            Where one runs, or two of other tenants.
        """
        if kind not in KINDS:
            raise DataError(f"there is no study {kind!r:.50}. Cure: one of {', '.join(KINDS)}.")
        unknown = [name for name in options if name not in KINDS[kind]]
        if unknown:
            raise DataError(f"a study {kind} has no option {unknown[0]!r:.50}. Cure: some of {', '.join(KINDS[kind])}.")
        folder = self._folder / uuid.uuid4().hex
        try:
            self._notes.mkdir(parents=True, exist_ok=True)
            # Of two who begin at once, in whatever process, the second finds the first.
            with FileLock(self._lock, timeout=LOCK_SECONDS):
                self._check_free()
                folder.mkdir(parents=True)
                _write(folder / "study.json", {"kind": kind, "options": dict(options), "created": time.time()})
                _write(folder / "state.json", {"state": "running", "stage": "", "done": 0, "total": 0, "beat": time.time()})
                (self._notes / folder.name).write_text(str(folder.absolute()))
            self._launch(folder)
        except Timeout:
            raise ConflictError("other studies begin just now. Cure: try again in a moment.") from None
        except OSError as error:
            with suppress(OSError):
                _Telling(folder).put(state="failed", error="its process could not be started", cure="try again later")
            raise StoreError(
                f"{folder} or its process cannot be made: {error.strerror or error}. Cure: see to the disk."
            ) from error
        self._forget_old()
        return self.get(folder.name)

    def _launch(self, folder: Path) -> None:
        environment = {k: v for k, v in os.environ.items() if k != "PROMETHEUS_MULTIPROC_DIR"}
        command = [sys.executable, "-m", "occasion.service.studies", str(folder)]
        with (folder / "log").open("wb") as log:
            child = subprocess.Popen(  # noqa: S603  # nosec B603: a list of our own words, no shell
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        attended = (child, self._settings.model_dump_json(), folder)
        threading.Thread(target=_attended, args=attended, daemon=True, name="study").start()

    def _check_free(self) -> None:
        """Refuse where a study of this home runs, or as many of all as may; forget notes of those that have ended."""
        elsewhere = 0
        for note in self._notes.iterdir():
            try:
                folder = Path(note.read_text())
                runs = _stand(folder)["state"] == "running"
            except (OSError, ValueError, KeyError):
                runs = False
            if not runs:
                note.unlink(missing_ok=True)
            elif folder.parent == self._folder.absolute():
                raise ConflictError("a study runs already. Cure: wait for it, or cancel it.")
            else:
                elsewhere += 1
        if elsewhere >= AT_ONCE:
            raise ConflictError(f"{elsewhere} studies of other tenants run. Cure: wait until one has ended.")

    def _forget_old(self) -> None:
        for one in self.all()[KEPT:]:
            if one["state"] != "running":
                shutil.rmtree(self._folder / one["id"], ignore_errors=True)

    def all(self) -> list[dict[str, Any]]:
        """Return all studies, newest first, without their reports."""
        if not self._folder.is_dir():
            return []
        found = []
        for path in self._folder.iterdir():
            with suppress(OSError, ValueError, KeyError):
                found.append(_stand(path))
        return sorted(found, key=lambda one: -float(one["created"]))

    def get(self, study: str) -> dict[str, Any]:
        """Return a study, its report among it once it is done.

        Raises
        ------
        NotFoundError
            Where there is none of this id.
        """
        path = self._path(study)
        out = _stand(path)
        if out["state"] == "done":
            out["report"] = json.loads((path / "report.json").read_text())
        return out

    def _path(self, study: str) -> Path:
        path = self._folder / study
        if not study.isalnum() or not (path / "study.json").exists():
            raise NotFoundError(f"there is no study {study!r:.80}. Cure: take the id from the list of studies.")
        return path

    def end(self, study: str) -> dict[str, Any]:
        """Cancel a study that runs; forget one that has ended. Return how it stood."""
        path = self._path(study)
        stand = _stand(path)
        if stand["state"] == "running":
            (path / "cancel").touch()
        else:
            shutil.rmtree(path, ignore_errors=True)
        return stand


def _attended(child: subprocess.Popen[bytes], settings: str, folder: Path) -> None:
    """Hand a process its settings, which may hold what belongs in no file, and wait for its end."""
    with suppress(BrokenPipeError):
        child.communicate(settings.encode())
    if child.wait():
        logger.error("study failed", extra={"fields": {"study": folder.name, "code": child.returncode, "log": str(folder / "log")}})


def _stand(path: Path) -> dict[str, Any]:
    """Return how a study stands; one whose process is gone without a word has failed."""
    asked, state = (json.loads((path / name).read_text()) for name in ("study.json", "state.json"))
    if state["state"] == "running" and time.time() - state["beat"] > 3 and not _holds(path, state["beat"]):
        # What it wrote last may lie between the two looks.
        state = json.loads((path / "state.json").read_text())
        if state["state"] == "running":
            state |= {"state": "failed", "error": "its process ended before it was done", "cure": "start it again"}
    out = {"id": path.name, "kind": asked["kind"], "options": asked["options"], "created": asked["created"]}
    return {**out, "error": "", "cure": "", **{name: value for name, value in state.items() if name != "beat"}}


def _holds(path: Path, beat: float) -> bool:
    """Return whether the process of a study lives: it holds a lock; before it does, it is given time to start."""
    if not (path / "lock").exists():
        return time.time() - beat < SILENT_SECONDS
    try:
        with FileLock(path / "lock", timeout=0):
            return False
    except Timeout:
        return True


def _write(path: Path, document: object) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(document))
    partial.replace(path)


class _CancelledError(Exception):
    """Somebody wants it to stop."""


class _Telling:
    """Writes down how far a study is, and stops it where that is wanted."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._last = folder, 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        if (self.folder / "cancel").exists():
            raise _CancelledError
        if time.monotonic() - self._last > TELL_SECONDS:
            self._last = time.monotonic()
            self.put(state="running", stage=stage, done=done, total=total)

    def put(self, **state: Any) -> None:
        """Write it down."""
        _write(self.folder / "state.json", {"stage": "", "done": 0, "total": 0, **state, "beat": time.time()})


def main(folder: Path) -> None:
    """Do a study."""
    with suppress(OSError):
        os.nice(5)
    # Whoever started the service aside has it ignore interruptions, and its children with it: a fit is cancelled by one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with FileLock(folder / "lock"):
        tell = _Telling(folder)
        try:
            settings = Settings.model_validate_json(sys.stdin.buffer.read())
            report = _measured(settings, json.loads((folder / "study.json").read_text()), tell)
            _write(folder / "report.json", report)
            tell.put(state="done")
        except (_CancelledError, KeyboardInterrupt):
            tell.put(state="cancelled")
        except Exception as error:
            message, cure = told(error, f"study {folder.name}")
            if is_inner(error):
                # Into the study's own log, which the service's names; there before anybody is told to look.
                traceback.print_exc()
                sys.stderr.flush()
            tell.put(state="failed", error=message, cure=cure)
            if is_inner(error):
                sys.exit(1)


def _measured(settings: Settings, asked: dict[str, Any], tell: _Telling) -> dict[str, Any]:
    from occasion.evaluation import evaluate, evaluate_off_policy

    options = asked["options"]
    if asked["kind"] == "fit":
        return _fitted(settings, options, tell)
    if asked["kind"] == "offline":
        return evaluate(settings, progress=tell, **options).to_dict()
    return evaluate_off_policy(settings, progress=tell, **options).to_dict()


def _fitted(settings: Settings, options: Mapping[str, Any], tell: _Telling) -> dict[str, Any]:
    """Learn a version as `occasion fit` does; return what the gate said of it."""
    from occasion.training.fit import fit

    with _Following(tell, float(options.get("budget", BUDGET))) as following:
        made = fit(settings=settings, progress=following.note, **{"budget": BUDGET, **options})
    gate = dict(made.gate)
    return {
        "version": made.id,
        "passed": bool(gate.get("passed")),
        "promoted": bool(gate.get("passed")) and bool(options.get("promote", True)),
        "reasons": [str(reason) for reason in gate.get("reasons", ())],
        "left_out": list(made.left_out),
        "seconds": made.seconds,
    }


class _Following:
    """Says how long a fit has gone on, of about how long, and stops it wherever it is: its steps take minutes."""

    def __init__(self, tell: _Telling, seconds: float) -> None:
        self._tell, self._seconds, self._begun = tell, seconds, time.monotonic()
        self._stage, self._over = "", threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True, name="following")

    def note(self, sentence: str) -> None:
        """Take down what is being done."""
        self._stage = sentence

    def __enter__(self) -> Self:
        self._tell(self._stage, 0, int(self._seconds))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._over.wait(TELL_SECONDS):
            try:
                self._tell(self._stage, int(time.monotonic() - self._begun), int(self._seconds))
            except _CancelledError:
                if not self._over.is_set():
                    _thread.interrupt_main()
                return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
