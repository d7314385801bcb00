"""Access keys: who may do what for which tenant. Stored hashed, shown once, rotated and revoked at any time."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from dataclasses import dataclass

from occasion.errors import DataError, NotFoundError
from occasion.service.control import ControlFile

__all__ = ["DEFAULT_TENANT", "ROLES", "AccessKey", "KeyRing", "checked_tenant"]

ROLES = ("read", "write", "admin")
"""From the least to the most; each may do what those before it may."""
DEFAULT_TENANT = "default"
_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_FORM = re.compile(r"occ_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_COLUMNS = "slot, id, hash, role, tenant, name, per_minute, created, expires"
MAX_KEYS, MAX_TENANT_KEYS = 4096, 256


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """What is known of a key; the key itself is not.

    Attributes
    ----------
    slot : int
        Its number in the ring, for the shared rate limits.
    id : str
        Part of the key that is no secret: names it in lists and logs.
    role : str
        One of `ROLES`.
    tenant : str
    name : str
        For people.
    per_minute : int or None
        Requests a minute; None: what the settings say.
    created : float
    expires : float or None
        Unix seconds.
    """

    slot: int
    id: str
    role: str
    tenant: str
    name: str
    per_minute: int | None
    created: float
    expires: float | None


def checked_tenant(name: str) -> str:
    """Return a tenant's name, which becomes a folder's name.

    Raises
    ------
    DataError
        For a name that is not 1 to 63 small letters, digits and dashes.
    """
    if not _TENANT.fullmatch(name):
        raise DataError(f"the tenant {name!r:.80} cannot be a name. Cure: 1 to 63 of a-z, 0-9 and '-', beginning with no dash.")
    return name


class KeyRing:
    """All keys of a home. A change made by any process counts at the next request of every other."""

    def __init__(self, control: ControlFile) -> None:
        self.control = control
        self._lock = threading.Lock()
        self._known: dict[str, tuple[AccessKey, bytes]] = {}
        self._seen: dict[int, int] = {}
        self._stale = True
        self._closed = False

    def create(
        self, role: str, tenant: str = DEFAULT_TENANT, *, name: str = "", per_minute: int | None = None
    ) -> tuple[AccessKey, str]:
        """Make a key; return what is known of it and the key, which is shown this once.

        Raises
        ------
        DataError
            For a role, tenant or rate that cannot be.
        """
        if role not in ROLES:
            raise DataError(f"the role is {role!r:.80}. Cure: one of {', '.join(ROLES)}.")
        if per_minute is not None and not 1 <= per_minute <= 10_000_000:
            raise DataError(f"per_minute is {per_minute}. Cure: 1 to 10,000,000.")
        checked_tenant(tenant)
        if self.control.rows("SELECT count(*) FROM access_key WHERE tenant = ?", tenant)[0][0] >= MAX_TENANT_KEYS:
            raise DataError(f"the tenant has {MAX_TENANT_KEYS} keys already. Cure: revoke those no longer used.")
        if len(self.control.rows("SELECT 1 FROM access_key")) >= MAX_KEYS:
            raise DataError(f"there are {MAX_KEYS} keys already. Cure: revoke those no longer used.")
        key_id, token = _fresh()
        self.control.rows(
            "INSERT INTO access_key (id, hash, role, tenant, name, per_minute, created) VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(key_id, _hashed(token), role, tenant, name[:100], per_minute, time.time()),
        )
        # From the first key on the home is closed, also when all keys are revoked again.
        self.control.rows("PRAGMA user_version = 1")
        return self._changed(key_id), token

    def rotate(self, key_id: str, *, tenant: str | None = None, grace: float = 0.0) -> tuple[AccessKey, str]:
        """Make a new key like an old one, which stays good for `grace` seconds (at most 30 days).

        Raises
        ------
        NotFoundError
            Where there is no such key (of this tenant).
        """
        if not 0 <= grace <= 30 * 86_400:
            raise DataError(f"grace is {grace} seconds. Cure: 0 to 2,592,000 (30 days).")
        old = self.get(key_id, tenant=tenant)
        fresh, token = self.create(old.role, old.tenant, name=old.name, per_minute=old.per_minute)
        end = time.time() + grace
        self.control.rows("UPDATE access_key SET expires = min(coalesce(expires, ?), ?) WHERE id = ?", end, end, key_id)
        self._changed(fresh.id)
        return fresh, token

    def revoke(self, key_id: str, *, tenant: str | None = None) -> AccessKey:
        """Remove a key at once.

        Raises
        ------
        NotFoundError
            Where there is no such key (of this tenant).
        """
        gone = self.get(key_id, tenant=tenant)
        self.control.rows("DELETE FROM access_key WHERE id = ?", key_id)
        self._stale = True
        return gone

    def get(self, key_id: str, *, tenant: str | None = None) -> AccessKey:
        """Return what is known of a key.

        Raises
        ------
        NotFoundError
            Where there is no such key (of this tenant).
        """
        rows = self.control.rows(f"SELECT {_COLUMNS} FROM access_key WHERE id = ?", key_id)
        found = _known(rows[0])[0] if rows else None
        if found is None or (tenant is not None and found.tenant != tenant):
            raise NotFoundError(f"there is no key {key_id!r:.80}. Cure: `occasion keys list` names them.")
        return found

    def all(self, tenant: str | None = None) -> list[AccessKey]:
        """Return the keys of a tenant, of all where none is named, oldest first."""
        rows = self.control.rows(f"SELECT {_COLUMNS} FROM access_key ORDER BY slot")
        return [key for key, _ in map(_known, rows) if tenant in (None, key.tenant)]

    def exist(self) -> bool:
        """Return whether there is any key, or ever was: a home that was closed once does not open by itself."""
        self._catch_up()
        return bool(self._known) or self._closed

    def tenants(self) -> set[str]:
        """Return the names of tenants that have a key."""
        self._catch_up()
        return {key.tenant for key, _ in self._known.values()}

    def find(self, token: str) -> AccessKey | None:
        """Return what a token opens; None where it opens nothing, or no longer."""
        match = _FORM.fullmatch(token)
        self._catch_up()
        key, stored = self._known.get(match[1], (None, b"")) if match else (None, b"")
        # The comparison takes the same time whether the id is known or not.
        same = hmac.compare_digest(_hashed(token), stored or bytes(32))
        if key is None or not same or (key.expires is not None and key.expires <= time.time()):
            return None
        return key

    def good(self, key_id: str) -> AccessKey | None:
        """Return a key by its id, as a session keeps it; None where it is revoked or expired."""
        self._catch_up()
        key, _ = self._known.get(key_id, (None, b""))
        return None if key is None or (key.expires is not None and key.expires <= time.time()) else key

    def _changed(self, key_id: str) -> AccessKey:
        self._stale = True
        return self.get(key_id)

    def _catch_up(self) -> None:
        """Read the keys again where any process has changed the file; this thread's connection tells."""
        thread, generation = threading.get_ident(), self.control.generation()
        if not self._stale and self._seen.get(thread) == generation:
            return
        with self._lock:
            self._stale = False
            rows = self.control.rows(f"SELECT {_COLUMNS} FROM access_key")
            self._closed = self.control.rows("PRAGMA user_version")[0][0] > 0
            self._known = {row[1]: _known(row) for row in rows}
            self._seen[thread] = generation


def _fresh() -> tuple[str, str]:
    key_id = secrets.token_hex(6)
    return key_id, f"occ_{key_id}_{secrets.token_urlsafe(32)}"


def _hashed(token: str) -> bytes:
    # 256 random bits cannot be guessed, so a plain hash is enough: there is nothing for a slow one to protect.
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def _known(row: tuple[int, str, bytes, str, str, str, int | None, float, float | None]) -> tuple[AccessKey, bytes]:
    slot, key_id, hashed, role, tenant, name, per_minute, created, expires = row
    key = AccessKey(
        slot=slot, id=key_id, role=role, tenant=tenant, name=name, per_minute=per_minute, created=created, expires=expires
    )
    return key, hashed
