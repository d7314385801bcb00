"""The view: what a page is given to work with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from occasion.client import ServiceError
from occasion.console.calling import Api, SignedOutError
from occasion.console.words import Words, say
from occasion.errors import OccasionError, split_cure
from occasion.service.keys import ROLES
from occasion.service.lanes import OverloadedError
from occasion.service.logs import logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from occasion.service.core import Service

__all__ = ["View"]


@dataclass(slots=True, kw_only=True)
class View:
    """One page open in one browser tab.

    Attributes
    ----------
    api : Api
        The service's routes as the visitor may use them: ``await view.api.get("/v1/info")``, or the typed methods of the client.
    service : Service
        What runs below; for waiting states alone: data go through `api`.
    locale : str
        ``en`` or ``zh``.
    dark : bool or None
        None: as the system has it.
    query : mapping of str to str
        The parameters in the page's address.
    words : Words
        The page's texts.
    role, tenant : str
        Of the visitor's key; open on loopback: admin of the default tenant.
    address : str
        Of the service, as the visitor reached it: for calls that are shown.
    """

    api: Api
    service: Service
    locale: str
    dark: bool | None
    query: Mapping[str, str]
    words: Words
    role: str
    tenant: str
    address: str = ""
    signed_in: bool = False

    def t(self, name: str, **values: Any) -> str:
        """Return a text of the page, else of the frame, in the visitor's language."""
        return say(self.words, self.locale, name, **values)

    @property
    def time_zone(self) -> str:
        """The zone that times are shown and entered in: that of the settings."""
        return self.service.settings.time_zone

    def may(self, role: str) -> bool:
        """Return whether the visitor's key has at least this role."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def told(self, error: BaseException) -> tuple[str, str]:
        """Return what to say of an error, and its cure."""
        if isinstance(error, SignedOutError):
            return self.t("signed_out"), self.t("sign_in_again")
        if isinstance(error, ServiceError):
            return error.message, error.cure
        if isinstance(error, OccasionError):
            message, cure = split_cure(str(error))
            return message[:1].upper() + message[1:], cure
        return self.t("busy" if isinstance(error, OverloadedError) else "unforeseen"), self.t("retry_later")

    def log(self, error: BaseException) -> None:
        """Leave unforeseen errors to the log; those raised on purpose have told all there is."""
        if not isinstance(error, OccasionError):
            logger.error("console", exc_info=error)

    def tell(self, error: BaseException) -> None:
        """Show an error that came up after the page was there; lead to the sign-in where the session is over."""
        from nicegui import ui

        if isinstance(error, SignedOutError) or (isinstance(error, ServiceError) and error.status == 401):
            ui.navigate.to("/sign-in")
            return
        message, cure = self.told(error)
        ui.notify(f"{message} {cure}", type="negative", multi_line=True, timeout=8000, close_button=self.t("close"))
