"""Receipts: what an erasure did, signed, without a word about whom it was.

A receipt names a keyed hash of the person, which only the holder of the home's key can make again. It is signed with Ed25519
(RFC 8032) under a key derived from the home's; whoever has the public key can check it without the home.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from occasion.errors import DataError
from occasion.people import Removed
from occasion.privacy.keyring import HomeKey, pseudonym
from occasion.privacy.traces import Traces
from occasion.settings import Settings

__all__ = ["Verdict", "holding", "parsed", "public_key_of", "sealed", "subject_of", "verify"]

KIND = "occasion erasure receipt"
FORMAT = 1
PURPOSE = "receipts"


def subject_of(key: HomeKey, user: str | None, session: str | None) -> str:
    """Return the keyed hash that stands for a person in receipts and in the audit log."""
    return key.keyed_hash(PURPOSE, f"user {user}" if user is not None else f"session {session}")


def sealed(key: HomeKey, subject: str, removed: Removed, files: Mapping[str, int], held: Traces) -> str:
    """Return a signed receipt as JSON.

    Parameters
    ----------
    key : HomeKey
    subject : str
        What `subject_of` returned.
    removed : Removed
        What was removed from the store.
    files : mapping of str to int
        What was removed elsewhere: name to number of rows.
    held : Traces
        What may still hold traces.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    rows = asdict(removed)
    span = {name: rows.pop(name) for name in ("first_seq", "last_seq", "withdrawals")}
    private = Ed25519PrivateKey.from_private_bytes(key.derived(PURPOSE))
    content: dict[str, Any] = {
        "kind": KIND,
        "format": FORMAT,
        "id": secrets.token_hex(8),
        "at": round(time.time(), 3),
        "subject": subject,
        "removed": {**rows, **files},
        "log": span,
        "holding": {name: list(names) for name, names in asdict(held).items()},
        "public_key": private.public_key().public_bytes_raw().hex(),
    }
    return json.dumps({**content, "signature": private.sign(_signed(content)).hex()}, indent=1)


def parsed(text: str) -> dict[str, Any]:
    """Return a receipt as a document.

    Raises
    ------
    DataError
        Where the text is no receipt.
    """
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise DataError("this is no receipt of an erasure. Cure: the JSON that `occasion privacy erase --json` wrote.")
    if document.get("format") != FORMAT:
        raise DataError(f"the receipt has the format {document.get('format')!r}, known is {FORMAT}. Cure: a newer Occasion.")
    return document


def holding(document: Mapping[str, Any]) -> Traces:
    """Return what held traces when a receipt was signed."""
    held = document["holding"]
    return Traces(**{name: tuple(map(str, held[name])) for name in ("versions", "encoders", "copies")})


class Verdict(dict[str, Any]):
    """What is true of a receipt: ``valid``, ``signature``, ``of_this_home``, and ``subject`` where a person was asked about."""


def verify(
    text: str,
    *,
    home: Path | None = None,
    public_key: str = "",
    user: str | None = None,
    session: str | None = None,
    settings: Settings | None = None,
) -> Verdict:
    """Check a receipt.

    Parameters
    ----------
    text : str
        The receipt.
    home : Path, optional
        The home that it should be from.
    public_key : str
        Instead of a home: the key (64 hex digits) that it should be signed with.
    user, session : str, optional
        Whom it should be about; needs the home.
    settings : Settings, optional
        Of the home, where its ids are pseudonyms.

    Returns
    -------
    Verdict
        ``valid`` is true where the signature is good, the key is the expected one, and the person, if asked for, is the one.

    Raises
    ------
    DataError
        Where the text is no receipt; where neither a home with a key nor a public key is given.
    """
    document = parsed(text)
    key = HomeKey(home) if home is not None and HomeKey.exists(home) else None
    if key is None and not public_key:
        raise DataError("there is no key to check the receipt with. Cure: the home it is from, or --public-key.")
    expected = public_key.strip().lower() or public_key_of(key)  # type: ignore[arg-type]
    found = Verdict(signature=_good(document), of_this_home=document.get("public_key") == expected)
    if user is not None or session is not None:
        if key is None:
            raise DataError("whom a receipt is about can be told with the home's key alone. Cure: --home.")
        found["subject"] = document.get("subject") == subject_of(key, *(_stored(key, who, settings) for who in (user, session)))
    return Verdict(valid=all(found.values()), **found)


def _stored(key: HomeKey, who: str | None, settings: Settings | None) -> str | None:
    return pseudonym(key, who) if settings is not None and settings.pseudonymous and who is not None else who


def public_key_of(key: HomeKey) -> str:
    """Return the public key (64 hex digits) of a home's receipts: hand it to whoever shall check them."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(key.derived(PURPOSE)).public_key().public_bytes_raw().hex()


def _good(document: Mapping[str, Any]) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    content = {name: value for name, value in document.items() if name != "signature"}
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(str(document.get("public_key", ""))))
        public.verify(bytes.fromhex(str(document.get("signature", ""))), _signed(content))
    except (InvalidSignature, ValueError):
        return False
    return True


def _signed(content: Mapping[str, Any]) -> bytes:
    """Return the bytes that are signed: canonical JSON."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
