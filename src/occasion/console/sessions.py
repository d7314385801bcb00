"""Sessions: who signed in, as a cookie that is signed, expires, and ends when its key does.

The secret that signs is made anew with each process: a restart signs everybody out, and no file can leak it.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import time
from dataclasses import dataclass

from occasion.service.keys import AccessKey, KeyRing

__all__ = ["COOKIE", "Session", "Sessions"]

COOKIE = "occasion_console"
_MOST = 512
"""Characters of a cookie that are looked at."""


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in.

    Attributes
    ----------
    id : str
        Random; ends with the sign-out.
    key_id : str
        The key that was shown. The session is worth what the key is worth at each request.
    expires : float
        Unix seconds.
    """

    id: str
    key_id: str
    expires: float


class Sessions:
    """Makes, checks and ends sessions.

    Parameters
    ----------
    keys : KeyRing
    hours : float
        How long a session lasts.
    """

    def __init__(self, keys: KeyRing, hours: float) -> None:
        self._keys, self.seconds = keys, 3600.0 * hours
        self._secret = secrets.token_bytes(32)
        self._ended: dict[str, float] = {}

    def begin(self, key: AccessKey) -> str:
        """Return the cookie of a new session."""
        session = Session(secrets.token_urlsafe(18), key.id, time.time() + self.seconds)
        return self._signed(session)

    def _signed(self, session: Session) -> str:
        body = f"{session.id}|{session.key_id}|{session.expires:.3f}"
        return f"{base64.urlsafe_b64encode(body.encode()).decode()}.{self._mark(body)}"

    def _mark(self, body: str) -> str:
        return hmac.digest(self._secret, body.encode(), "sha256").hex()

    def read(self, cookie: str) -> Session | None:
        """Return the session of a cookie; None where it was not made here, has ended or expired."""
        encoded, _, mark = cookie.partition(".")
        try:
            body = base64.urlsafe_b64decode(encoded.encode("ascii")).decode() if len(cookie) <= _MOST else ""
            if not hmac.compare_digest(self._mark(body).encode(), mark.encode()):
                return None
            name, key_id, expires = body.split("|")
        except ValueError:
            return None
        session = Session(name, key_id, float(expires))
        return session if self.alive(session) else None

    def alive(self, session: Session) -> bool:
        """Return whether a session still is."""
        return session.id not in self._ended and session.expires > time.time()

    def key(self, session: Session) -> AccessKey | None:
        """Return what the session's key opens now; None where session or key is no longer good."""
        return self._keys.good(session.key_id) if self.alive(session) else None

    def end(self, session: Session) -> None:
        """Sign out: the cookie is worth nothing any more, wherever a copy of it lies."""
        now = time.time()
        self._ended = {name: until for name, until in self._ended.items() if until > now}
        self._ended[session.id] = session.expires
