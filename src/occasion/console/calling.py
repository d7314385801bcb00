"""Calling: the console's way to the service's routes, in process, as whoever is signed in.

Every page goes through the gate of the API: the same roles, rates, rules, audit log and errors. What the console can do, a
program with the same key can do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from occasion.client import AsyncClient
from occasion.client.calls import Call, read
from occasion.console.sessions import Session, Sessions
from occasion.errors import OccasionError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send

    from occasion.service.keys import AccessKey

__all__ = ["Api", "SignedOutError"]

ATTEMPTS = 2


class SignedOutError(OccasionError):
    """The session has ended, or its key is no longer good."""

    def __init__(self) -> None:
        super().__init__("you are signed out. Cure: sign in again.")


class Api(AsyncClient):
    """The typed client of the service without a network in between; `request` reaches every route.

    Parameters
    ----------
    app : FastAPI
        The service's application.
    sessions : Sessions
    session : Session or None
        None: open on loopback.

    Raises
    ------
    SignedOutError
        By every method, once the session is over.
    """

    def __init__(self, app: FastAPI, sessions: Sessions, session: Session | None) -> None:
        self._app, self._sessions, self._session = app, sessions, session
        transport = httpx.ASGITransport(app=self._as_caller, client=("127.0.0.1", 0))
        super().__init__("http://127.0.0.1", attempts=ATTEMPTS, timeout=600.0, transport=transport)

    def key(self) -> AccessKey | None:
        """Return the caller's key as it is now; None: open on loopback.

        Raises
        ------
        SignedOutError
            Where the session is over.
        """
        if self._session is None:
            if self._app.state.service.keys.exist():
                raise SignedOutError
            return None
        key = self._sessions.key(self._session)
        if key is None:
            raise SignedOutError
        return key

    async def _as_caller(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The gate believes this entry: no request from outside can bring one.
        await self._app({**scope, "access_key": self.key()}, receive, send)

    async def upload(self, path: str, pieces: AsyncIterator[bytes], **query: str) -> Any:
        """Send a file as it comes."""
        content_type = {"content-type": "application/octet-stream"}
        response = await self._http.post(path, params=query, content=pieces, headers=content_type)
        return read(Call("POST", path, lambda told: told), response)

    async def get(self, path: str, **query: Any) -> Any:
        """Return the answer to a GET; None among `query` is left out."""
        return await self.request("GET", path, query=query)

    async def post(self, path: str, document: Any = None) -> Any:
        """Return the answer to a POST."""
        return await self.request("POST", path, document=document)

    async def put(self, path: str, document: Any) -> Any:
        """Return the answer to a PUT."""
        return await self.request("PUT", path, document=document)

    async def delete(self, path: str, **query: Any) -> Any:
        """Return the answer to a DELETE."""
        return await self.request("DELETE", path, query=query)
