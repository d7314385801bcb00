"""Addresses: which ones only this machine reaches, and which the settings may name.

A service does not let itself be sent into the private network without being told to.
"""

from __future__ import annotations

import ipaddress
import socket
from functools import lru_cache
from urllib.parse import urlsplit

from occasion.errors import SettingsError
from occasion.settings import Settings

__all__ = ["check_addresses", "is_loopback"]


def check_addresses(settings: Settings) -> None:
    """Refuse addresses of other services that are no http, or that lead where they should not.

    Addresses of cloud metadata (link-local) are refused always; private and loopback ones unless ``allow_private_urls`` is set.
    A name that cannot be looked up now is let pass: what asks there never follows redirects, and copes with failure.

    Raises
    ------
    SettingsError
        Naming the setting.
    """
    used = {"weather_url": settings.weather_url}
    if settings.encoder.startswith("openai:"):
        used["openai_base_url"] = settings.openai_base_url
    for name, url in used.items():
        if url:
            _check(name, url, settings.allow_private_urls)


def _check(name: str, url: str, private: bool) -> None:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise SettingsError(f"{name} is no address. Cure: one that begins with https://.") from None
    if parts.scheme not in ("http", "https") or not host:
        raise SettingsError(f"{name} is no http address. Cure: one that begins with https://.")
    for address in _looked_up(host):
        odd = address.is_link_local or address.is_multicast or address.is_unspecified or address.is_reserved
        if odd and not address.is_loopback:
            raise SettingsError(f"{name} leads to {address}, where no such service can be. Cure: another address.")
        if not address.is_global and not private:
            raise SettingsError(
                f"{name} leads to the private address {address}. Cure: allow_private_urls = true where this is meant."
            )


def _looked_up(host: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError:
        return []
    addresses = [ipaddress.ip_address(str(one).partition("%")[0]) for one in found]
    return [one.ipv4_mapped if isinstance(one, ipaddress.IPv6Address) and one.ipv4_mapped else one for one in addresses]


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Return whether an address is only reachable from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
