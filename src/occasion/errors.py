"""Every error Occasion raises on purpose, under one root.

A message says what went wrong, which value was found, and what cures it.
"""

from __future__ import annotations

__all__ = [
    "ConflictError",
    "DataError",
    "EncoderError",
    "EncoderMismatchError",
    "MissingExtraError",
    "ModelError",
    "NotFoundError",
    "OccasionError",
    "RuleError",
    "SettingsError",
    "StoreError",
    "VectorIndexError",
    "split_cure",
]


class OccasionError(Exception):
    """Root of all errors raised on purpose; ``exit_code`` is what the command line exits with."""

    exit_code = 1


class DataError(OccasionError, ValueError):
    """A value handed in is not usable: names the field, the value found and what is allowed."""

    exit_code = 2


class RuleError(DataError):
    """A filter, pin, boost or cap cannot be understood."""


class ConflictError(OccasionError):
    """The present state does not allow a change."""

    exit_code = 2


class SettingsError(OccasionError):
    """A setting is missing or out of range."""

    exit_code = 2


class NotFoundError(OccasionError, LookupError):
    """An id is not in the store."""

    exit_code = 3


class StoreError(OccasionError):
    """The store cannot be opened, read or written; what was acknowledged before stays."""

    exit_code = 4


class EncoderError(OccasionError):
    """An encoder cannot be loaded or cannot encode."""

    exit_code = 5


class EncoderMismatchError(EncoderError):
    """Stored vectors were made by another encoder than the one configured."""


class ModelError(OccasionError):
    """A model version is missing or damaged."""

    exit_code = 5


class VectorIndexError(OccasionError):
    """A vector index or vector file is damaged; it can always be rebuilt from the store."""

    exit_code = 5


class MissingExtraError(OccasionError, ImportError):
    """A part needs packages that the core install leaves out; names the pip command that adds them."""

    exit_code = 5

    def __init__(self, part: str, extra: str) -> None:
        super().__init__(f"{part} needs packages outside the core install. Cure: pip install 'occasion[{extra}]'")


def split_cure(text: str) -> tuple[str, str]:
    """Return what an error's text says and, apart, what cures it: what stands behind ``Cure:``, empty where nothing does."""
    message, _, cure = " ".join(text.split()).partition(" Cure: ")
    return message, cure
