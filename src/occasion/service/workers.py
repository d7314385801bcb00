"""Workers: several processes that serve, each started again when it dies.

On Linux they are forked from a parent that has loaded what all of them need, code and the language model: it is loaded once,
its memory is shared, and a dead worker's place is filled within some tenths of a second. What cannot be forked (threads, open
databases, sessions of ONNX Runtime) the parent does not have; each worker opens its own. Elsewhere, where forking is not safe
or not known, and in a program that has done other things before, each worker starts as a new interpreter and loads all itself.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from occasion.errors import EncoderError
from occasion.service.logs import logger, setup
from occasion.service.sharedfolder import shared_folder
from occasion.service.sharing import Door, WorkerServer
from occasion.service.siblings import Siblings
from occasion.settings import Settings

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess
    from socket import socket as Socket  # noqa: N812

    from occasion.protocols import Encoder

__all__ = ["LAST_SECONDS", "supervise"]

WATCH_SECONDS = 0.2
LAST_SECONDS = 5.0
"""Beyond the time to drain, before a process is ended by force."""
PAUSE_SECONDS, LONGEST_PAUSE, FORGIVEN_A_SECOND = 0.05, 5.0, 0.1
"""A dead worker's place is filled after so long for each death before it, but for one forgiven every ten seconds."""
STOPPING = (signal.SIGTERM, signal.SIGINT)
MODULES = (
    "starlette.middleware.cors",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.protocols.websockets.auto",
    "occasion.indexes.exact",
    "occasion.indexes.hnsw",
    "occasion.indexes.matrix",
    "occasion.rankers.blend",
    "occasion.encoders.remote",
    "occasion.service.connections",
    "occasion.service.patience",
    "numpy.random",
    "scipy.sparse",
)
"""What a worker needs besides routes, stores, sources and policies, but would load only when it opens its store or answers."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a worker is told: its channel to the parent, the parent's process id, the folder shared with siblings, its slot."""

    channel: Socket
    parent: int
    folder: Path
    slot: int


# -- the worker -------------------------------------------------------------------------------------------------------------
def _spawned(settings: str, place: Place) -> None:
    """Serve in a new interpreter, with the settings that the parent was started with."""
    setup()
    # Environment and occasion.toml were read by the parent; a file changed since must not make workers differ.
    _work(Settings.model_validate_json(settings), place, None)


def _forked(settings: Settings, place: Place, encoder: Encoder | None, door: Door) -> None:
    """Serve in a copy of the parent."""
    door.leave()
    for number in STOPPING:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    _work(settings, place, encoder)


def _work(settings: Settings, place: Place, encoder: Encoder | None) -> None:
    """Serve until told to stop, or until the parent is gone."""
    _end_with(place.parent)
    import uvicorn

    from occasion.service.app import create_app
    from occasion.service.beside import add_console
    from occasion.service.process import options, prepare, spare_collector

    app = create_app(settings, encoder=encoder)
    app.state.service.join(Siblings(place.folder, place.slot))
    add_console(app, settings)
    prepare()
    spare_collector(app.state.service)
    WorkerServer(uvicorn.Config(app, **options(settings)), place.channel, app.state.service).run()


def _end_with(parent: int) -> None:
    """Stop when the parent is gone: nobody would hand this worker connections, or end it."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(LAST_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="parent").start()


# -- the parent -------------------------------------------------------------------------------------------------------------
def supervise(settings: Settings, socket: Socket) -> None:
    """Keep as many workers alive as the settings say, until told to stop."""
    stop = threading.Event()
    for number in STOPPING:
        signal.signal(number, lambda *_: stop.set())
    with shared_folder() as folder:
        # The library of the measures looks for it when it is loaded.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
        Siblings.prepare(folder)
        crew = _Crew(settings, Door(socket), folder)
        while not stop.is_set():
            crew.watch()
        crew.end()


class _Crew:
    """The workers of a service, by slot.

    Parameters
    ----------
    settings : Settings
    door : Door
    folder : Path
        Shared by the workers.
    """

    def __init__(self, settings: Settings, door: Door, folder: Path) -> None:
        self.settings, self.door, self.folder = settings, door, folder
        self._forks = _can_fork()
        self._encoder = _loaded(settings) if self._forks else None
        self._alive: dict[int, BaseProcess] = {}
        self._due = dict.fromkeys(range(settings.workers), 0.0)
        """When the slots that have no worker get one."""
        self._deaths, self._counted = 0.0, time.monotonic()

    def watch(self) -> None:
        """Start the workers that are due and hand out connections, until one dies or a moment has passed."""
        for slot in [slot for slot, due in self._due.items() if due <= time.monotonic()]:
            del self._due[slot]
            try:
                self._alive[slot] = self._begun(slot)
            except OSError:
                # Out of memory, files or processes: the others go on, and it may be better soon.
                logger.exception("no worker started")
                self._fill_later(slot)
        pause = min([WATCH_SECONDS, *(max(0.001, due - time.monotonic()) for due in self._due.values())])
        self.door.serve([worker.sentinel for worker in self._alive.values()], pause)
        for slot in [slot for slot, worker in self._alive.items() if not worker.is_alive()]:
            self._bury(slot, self._alive.pop(slot))

    def _begun(self, slot: int) -> BaseProcess:
        with self.door.channel() as channel:
            place = Place(channel=channel, parent=os.getpid(), folder=self.folder, slot=slot)
            process: BaseProcess
            if self._forks:
                given = self.settings, place, self._encoder, self.door
                process = multiprocessing.get_context("fork").Process(target=_forked, args=given, name="worker")
                with _signals_held():
                    process.start()
            else:
                told = self.settings.model_dump_json(), place
                process = multiprocessing.get_context("spawn").Process(target=_spawned, args=told, name="worker")
                process.start()
            return process

    def _bury(self, slot: int, worker: BaseProcess) -> None:
        """Take a dead worker out of what is shown of all of them, and let its place be filled."""
        # Where the system gives no file for it, the next one in its place does so.
        with contextlib.suppress(OSError):
            _forget(worker)
            Siblings.mourn(self.folder, slot)
        logger.error("worker died", extra={"fields": {"worker": worker.pid, "code": worker.exitcode}})
        self._fill_later(slot)

    def _fill_later(self, slot: int) -> None:
        """Let a place be filled: at once, but one that cannot start would be started again for ever without a pause."""
        now = time.monotonic()
        self._deaths = max(0.0, self._deaths - (now - self._counted) * FORGIVEN_A_SECOND)
        self._due[slot] = now + min(LONGEST_PAUSE, PAUSE_SECONDS * self._deaths)
        self._deaths, self._counted = self._deaths + 1, now

    def end(self) -> None:
        """Let all workers finish what is under way; end by force who takes too long."""
        self.door.close()
        for worker in self._alive.values():
            worker.terminate()
        end = time.monotonic() + self.settings.drain_seconds + LAST_SECONDS
        for worker in self._alive.values():
            worker.join(max(0.1, end - time.monotonic()))
            worker.kill()
        self.door.leave()


def _can_fork() -> bool:
    """Return whether a copy of this process could serve: it has no other thread, and its measures are not set up already."""
    return sys.platform == "linux" and threading.active_count() == 1 and "prometheus_client" not in sys.modules


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Hold back what tells a process to stop: a copy of the parent would take it for the parent's until it is on its own."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


def _loaded(settings: Settings) -> Encoder | None:
    """Load what workers share: their code, and the language model where it can be shared; return its encoder."""
    # All of this stays: to look it through for garbage would take time here, and copy its pages in each worker.
    gc.disable()
    _load_code()
    encoder = _load_model(settings)
    gc.freeze()
    gc.enable()
    return encoder


def _load_model(settings: Settings) -> Encoder | None:
    from occasion.encoders import SHARED, load_encoder

    if settings.encoder not in SHARED:
        return None
    try:
        made: Any = load_encoder(settings.encoder, settings=settings)
        made.share()
    except EncoderError:
        # Each worker says so, and tries again.
        return None
    found: Encoder = made
    return found


def _load_code() -> None:
    from occasion.policies import POLICIES
    from occasion.service.routes import ROUTERS
    from occasion.sources import SOURCES
    from occasion.stores import STORES

    for name in ("occasion.service.app", *ROUTERS, *MODULES):
        import_module(name)
    for place in (*POLICIES.values(), *SOURCES.values(), *STORES.values()):
        import_module(place.partition(":")[0])


def _forget(worker: BaseProcess) -> None:
    """Take a dead worker's gauges out of the measures; its counters stay."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
