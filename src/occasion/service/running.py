"""Running the service: one process, or several that share a port, started again when one dies."""

from __future__ import annotations

import socket as sockets
from collections.abc import Callable
from typing import TYPE_CHECKING

from occasion.errors import SettingsError
from occasion.service.addresses import is_loopback
from occasion.service.logs import setup
from occasion.settings import Settings, load_settings

if TYPE_CHECKING:
    from socket import socket as Socket  # noqa: N812

__all__ = ["run"]

BACKLOG = 512


def _serve(settings: Settings, socket: Socket) -> None:
    import uvicorn

    from occasion.service.app import create_app
    from occasion.service.beside import add_console
    from occasion.service.process import options, prepare, spare_collector

    app = create_app(settings)
    add_console(app, settings)
    config = uvicorn.Config(app, **options(settings))
    prepare()
    spare_collector(app.state.service)
    uvicorn.Server(config).run(sockets=[socket])


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
        from occasion.service.workers import supervise

        _migrate(settings)
        supervise(settings, socket)


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
