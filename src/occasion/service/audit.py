"""The audit log: each administrative act, who did it to what, and when. Lines are added, never changed."""

from __future__ import annotations

import time
from dataclasses import dataclass

from occasion.service.control import ControlFile

__all__ = ["AuditEntry", "AuditLog"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One act.

    Attributes
    ----------
    seq : int
    at : float
        Unix seconds.
    tenant : str
    actor : str
        Id of the key that did it; ``local`` for the command line and for a service open on loopback.
    act : str
        For example ``key.create``.
    target : str
        What it was done to; never a person's id or text in clear.
    request : str
        The request's id, empty for the command line.
    """

    seq: int
    at: float
    tenant: str
    actor: str
    act: str
    target: str
    request: str


class AuditLog:
    """Administrative acts of all tenants."""

    def __init__(self, control: ControlFile) -> None:
        self._control = control

    def record(self, act: str, target: str, *, tenant: str, actor: str = "local", request: str = "") -> None:
        """Write one act down durably."""
        sql = "INSERT INTO audit (at, tenant, actor, act, target, request) VALUES (?, ?, ?, ?, ?, ?)"
        self._control.rows(sql, time.time(), tenant, actor, act, target[:200], request)

    def read(self, tenant: str, *, before: int | None = None, limit: int = 100) -> list[AuditEntry]:
        """Return a tenant's acts, newest first; `before` is the seq of the last one already seen."""
        sql = (
            "SELECT seq, at, tenant, actor, act, target, request FROM audit WHERE tenant = ? AND seq < ? ORDER BY seq DESC LIMIT ?"
        )
        rows = self._control.rows(sql, tenant, 2**62 if before is None else before, limit)
        return [AuditEntry(**dict(zip(AuditEntry.__dataclass_fields__, row, strict=True))) for row in rows]
