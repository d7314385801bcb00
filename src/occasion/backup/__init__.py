"""Backup: a whole home, tenants included, as one file that is checked when it is made and before it is put back."""

from __future__ import annotations

from occasion.backup.making import back_up
from occasion.backup.restoring import restore

__all__ = ["back_up", "restore"]
