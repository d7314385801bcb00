"""Callers: who a request comes from, and what each route asks of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from occasion.people import AuditEntry
from occasion.service.core import Service
from occasion.service.failures import RefusedError
from occasion.service.keys import DEFAULT_TENANT, ROLES, AccessKey
from occasion.service.tenants import Tenant

__all__ = ["Admin", "Call", "Operator", "Reader", "Writer"]

Result = TypeVar("Result")
_bearer = HTTPBearer(auto_error=False, scheme_name="bearer", description="A key made by `occasion keys create`.")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, scheme_name="header", description="The same key, in another header.")


@dataclass(frozen=True, slots=True)
class Call:
    """An allowed request: the service, the caller's key (None: open on loopback), the tenant and the request's id.

    `within`: it came from this process itself, from the console.
    """

    service: Service
    key: AccessKey | None
    tenant: Tenant
    request_id: str
    begun: float
    """When the request came, by `time.perf_counter`."""
    within: bool = False

    @property
    def actor(self) -> str:
        """Who the audit log names."""
        return self.key.id if self.key is not None else "local"

    def demand(self, role: str) -> None:
        """Refuse what needs a role that the caller's key lacks.

        Raises
        ------
        RefusedError
            With status 403.
        """
        if self.key is not None and ROLES.index(self.key.role) < ROLES.index(role):
            raise _lacking(role, self.key)

    async def ask(self, work: Callable[[], Result]) -> Result:
        """Return what `work` returns, which uses the tenant's recommender; see `Service.ask`."""
        return await self.service.ask(self.tenant, work)

    def audit(self, act: str, target: str) -> None:
        """Write an administrative act down."""
        entry = AuditEntry(at=time.time(), actor=self.actor, act=act, target=target, detail=f"request {self.request_id}")
        self.tenant.store.add_audit(entry)


class _Asks:
    """The dependency of a route: a role, and for the service as a whole the default tenant."""

    def __init__(self, role: str, *, operator: bool = False) -> None:
        self.role, self.operator = role, operator

    async def __call__(self, request: Request, _one: Any = Security(_bearer), _two: Any = Security(_header)) -> Call:  # noqa: B008
        # The key was looked up before the body was read; see the gate.
        key: AccessKey | None = request.scope.get("access_key")
        service: Service = request.app.state.service
        if key is not None and ROLES.index(key.role) < ROLES.index(self.role):
            raise _lacking(self.role, key)
        if key is not None and self.operator and key.tenant != DEFAULT_TENANT:
            raise RefusedError(403, "This is about the whole service.", cure=f"Use an admin key of the tenant {DEFAULT_TENANT!r}.")
        name = DEFAULT_TENANT if key is None else key.tenant
        tenant = service.tenants.opened(name)
        if tenant is None:
            # To open a store may take a while; other requests need not wait for it.
            tenant = await service.writes.run(lambda: service.tenants.get(name))
        within = bool(request.scope.get("within", False))
        return Call(service, key, tenant, str(request.scope.get("request_id", "")), request.scope["begun"], within)


def _lacking(role: str, key: AccessKey) -> RefusedError:
    return RefusedError(403, f"This needs a key of the role {role}, yours has the role {key.role}.")


Reader = Annotated[Call, Depends(_Asks("read"))]
"""Any key."""
Writer = Annotated[Call, Depends(_Asks("write"))]
"""A key of the role write or admin."""
Admin = Annotated[Call, Depends(_Asks("admin"))]
"""A key of the role admin."""
Operator = Annotated[Call, Depends(_Asks("admin", operator=True))]
"""An admin key of the default tenant: what is about the service as a whole."""
