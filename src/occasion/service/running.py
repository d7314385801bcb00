"""Running the service: one process, or several that share a port, started again when one dies."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import socket as sockets
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from occasion.errors import SettingsError
from occasion.service.addresses import is_loopback
from occasion.service.logs import logger, setup
from occasion.service.sharing import Door
from occasion.service.siblings import Siblings
from occasion.settings import Settings, load_settings

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess
    from socket import socket as Socket  # noqa: N812

    from occasion.service.core import Service

__all__ = ["run"]

WATCH_SECONDS = 0.2
LAST_SECONDS = 5.0
"""Beyond the time to drain, before a process is ended by force."""
BACKLOG = 512


def _end_with(parent: int) -> None:
    """Stop when the parent is gone: a worker that outlives it would keep the port."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(LAST_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="parent").start()


def _prepare() -> None:
    """Set a serving process up."""
    # A thread that left the interpreter for an array's sum waits this long to come back while another one runs Python; with
    # the usual 5 ms an answer, which does so dozens of times, takes ten times as long beside a busy writer.
    sys.setswitchinterval(0.0005)
    # A signal that the server has obeyed comes again when it is done: then it must not end the process with a bad code.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)


def _serve(settings: Settings, socket: Socket) -> None:
    import uvicorn

    from occasion.service.app import create_app
    from occasion.service.beside import add_console

    app = create_app(settings)
    add_console(app, settings)
    config = uvicorn.Config(app, **_options(settings))
    _prepare()
    _spare_collector(app.state.service)
    uvicorn.Server(config).run(sockets=[socket])


def _work(settings: str, channel: Socket, parent: int, folder: str, slot: int) -> None:
    """Serve in a process of its own, the one numbered `slot`, with the settings that its parent was started with."""
    setup()
    _end_with(parent)
    # Environment and occasion.toml were read by the parent; a file changed since must not make workers differ.
    import uvicorn

    from occasion.service.app import create_app
    from occasion.service.beside import add_console
    from occasion.service.sharing import WorkerServer
    from occasion.service.siblings import Siblings

    given = Settings.model_validate_json(settings)
    app = create_app(given)
    app.state.service.join(Siblings(Path(folder), slot))
    add_console(app, given)
    _prepare()
    _spare_collector(app.state.service)
    WorkerServer(uvicorn.Config(app, **_options(given)), channel, app.state.service).run()


def _spare_collector(service: Service) -> None:
    """Once answers can be given, keep what was loaded for good out of full rounds of the garbage collector.

    Such a round took 30 to 100 ms, and events in bulk bring one every some ten thousand.
    """

    def freeze() -> None:
        service.settled.wait()
        gc.collect()
        gc.freeze()

    threading.Thread(target=freeze, name="collector", daemon=True).start()


def _options(settings: Settings) -> dict[str, Any]:
    from occasion.service.connections import connection_class

    return {
        "http": connection_class(),
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": settings.drain_seconds,
        "timeout_keep_alive": 30,
        "lifespan": "on",
    }


def run(settings: Settings | None = None, *, started: Callable[[str], None] = lambda address: None) -> None:
    """Serve until SIGTERM or SIGINT: then no new request is taken, those under way may finish, and the process ends.

    Parameters
    ----------
    settings : Settings, optional
    started : callable
        Called with the address once the port is taken.

    Raises
    ------
    SettingsError
        Without a key on an address that others can reach; where the port cannot be had.
    """
    settings = settings or load_settings()
    _check_access(settings)
    if settings.workers > 1 and not hasattr(sockets, "send_fds"):
        raise SettingsError("several workers need a Unix system. Cure: --workers 1.")
    setup()
    socket = _bound(settings)
    started(_address(socket))
    if settings.workers == 1:
        _serve(settings, socket)
    else:
        _migrate(settings)
        _supervise(settings, socket)


def _supervise(settings: Settings, socket: Socket) -> None:
    """Keep as many workers alive as the settings say, until told to stop."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="occasion-metrics-", dir=_memory()) as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder

        Siblings.prepare(Path(folder))
        door = Door(socket)

        def begun(slot: int) -> BaseProcess:
            ours, theirs = door.channel()
            given = settings.model_dump_json(), theirs, os.getpid(), folder, slot
            process = spawn.Process(target=_work, args=given, name="worker")
            process.start()
            theirs.close()
            door.add(ours)
            return process

        workers = [begun(slot) for slot in range(settings.workers)]
        quick = 0.0
        while not stop.wait(WATCH_SECONDS):
            for n, worker in enumerate(workers):
                if not worker.is_alive():
                    _forget(worker)
                    Siblings.mourn(Path(folder), n)
                    quick += 1
                    logger.error("worker died", extra={"fields": {"worker": worker.pid, "code": worker.exitcode}})
                    # One that cannot start would be started again for ever without a pause.
                    stop.wait(min(5.0, 0.05 * quick))
                    workers[n] = begun(n)
            quick = max(0.0, quick - WATCH_SECONDS / 10)
        door.close()
        for worker in workers:
            worker.terminate()
        end = time.monotonic() + settings.drain_seconds + LAST_SECONDS
        for worker in workers:
            worker.join(max(0.1, end - time.monotonic()))
            worker.kill()


def _memory() -> str | None:
    """Return a folder in memory for the measures of the workers, where the system has one: a full disk must not stop them."""
    shared = "/dev/shm"  # noqa: S108  # nosec B108
    return shared if os.access(shared, os.W_OK) else None


def _forget(worker: BaseProcess) -> None:
    """Take a dead worker's gauges out of the measures; its counters stay."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def _migrate(settings: Settings) -> None:
    """Bring the stores to the newest schema before the first worker starts."""
    from occasion.stores import open_store

    open_store(settings.resolved_store_url).close()


def _check_access(settings: Settings) -> None:
    from occasion.service.control import ControlFile
    from occasion.service.keys import KeyRing

    control = ControlFile(settings.home)
    try:
        if not is_loopback(settings.host) and not KeyRing(control).exist():
            raise SettingsError(
                f"the service would be open to everybody on {settings.host}. "
                "Cure: `occasion keys create --role admin` first, or --host 127.0.0.1."
            )
    finally:
        control.close()


def _bound(settings: Settings) -> Socket:
    from socket import AF_INET, AF_INET6, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET
    from socket import socket as make

    made = make(AF_INET6 if ":" in settings.host else AF_INET, SOCK_STREAM)
    made.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    try:
        made.bind((settings.host, settings.port))
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        raise SettingsError(
            f"{settings.host}:{settings.port} cannot be had: {error.strerror}. Cure: another --port or --host, or end what uses it."
        ) from None
    made.set_inheritable(True)
    return made


def _address(socket: Socket) -> str:
    host, port = socket.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
