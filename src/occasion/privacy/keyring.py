"""The home's secret: one random key in a file that only its owner can read; all other keys are derived from it."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

from occasion.errors import SettingsError

__all__ = ["KEY_FILE", "HomeKey", "pseudonym"]

KEY_FILE = "home.key"
SIZE = 32
_PSEUDONYM = re.compile(r"~[0-9a-f]{32}")


class HomeKey:
    """The secret of a home, made when it is first needed.

    Keys for single purposes are HMAC-SHA256 of the purpose's name under the secret, so that one says nothing about another.

    Parameters
    ----------
    home : Path
        The file is ``<home>/home.key``, 64 hex digits, mode 0600.
    name : str
        Of the file, where it is an older one.

    Raises
    ------
    SettingsError
        The file cannot be read or made, others can read it, or it is damaged.
    """

    def __init__(self, home: Path, name: str = KEY_FILE) -> None:
        self.path = home / name
        try:
            if not self.path.exists():
                _make(self.path)
            self._check_mode()
            text = self.path.read_text("ascii")
            self._secret = bytes.fromhex(text.strip())
        except OSError as error:
            raise SettingsError(f"the key {self.path} cannot be read: {error.strerror}. Cure: make it yours to read.") from None
        except ValueError:
            self._secret = b""
        if len(self._secret) != SIZE:
            raise SettingsError(
                f"the key {self.path} is damaged. Cure: restore it from a backup; without it ids cannot be matched."
            )

    @staticmethod
    def exists(home: Path) -> bool:
        """Return whether a home has its key already."""
        return (home / KEY_FILE).exists()

    def _check_mode(self) -> None:
        if os.name == "posix" and self.path.stat().st_mode & 0o077:
            raise SettingsError(f"others can read the key {self.path}. Cure: chmod 600 {self.path}")

    def derived(self, purpose: str) -> bytes:
        """Return the key (32 bytes) of one purpose."""
        return hmac.digest(self._secret, purpose.encode(), "sha256")

    def keyed_hash(self, purpose: str, text: str) -> str:
        """Return 32 hex digits of a text that nobody can foretell or try out without the key."""
        return hmac.digest(self.derived(purpose), text.encode("utf-8", "surrogatepass"), "sha256")[:16].hex()

    @property
    def fingerprint(self) -> str:
        """16 hex digits that tell one key from another and say nothing else."""
        return hashlib.sha256(self.derived("fingerprint")).hexdigest()[:16]


def pseudonym(key: HomeKey, who: str) -> str:
    """Return what an id is stored as where ids are pseudonyms; one that is a pseudonym already stays what it is."""
    return who if _PSEUDONYM.fullmatch(who) else f"~{key.keyed_hash('pseudonyms', who)}"


def _make(path: Path) -> None:
    """Write a new key under its name at once: of two processes that do so, one's key stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(SIZE) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(partial, path)
    finally:
        partial.unlink()
