"""Imports that are looked at before they begin."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from occasion.service.schemas.base import Body, Id, Shown

__all__ = ["FormatName", "KindName", "PlanOut", "StartIn"]

FormatName = Literal["auto", "csv", "tsv", "atomic", "jsonl", "parquet"]
KindName = Literal["auto", "consents", "items", "users", "events", "slates"]


class PlannedColumn(Shown):
    """What a column of a file becomes."""

    column: str
    role: str = Field(description="Empty where the file cannot be understood yet.")
    form: str
    why: str
    examples: list[str]


class PlanOut(Shown):
    """How a file would be understood."""

    name: str
    kind: str
    format: str
    columns: list[PlannedColumn]
    roles: list[str] = Field(description="What columns of such rows may become; text., attributes. and signals. take any name.")
    notes: list[str]
    error: str = Field(description="Why it cannot be imported like this; empty: it can.")
    cure: str


class StartIn(Body):
    """How to import a file that is held."""

    kind: KindName = "auto"
    format: FormatName = "auto"
    event_type: Id | None = None
    mapping: Annotated[dict[str, str], Field(max_length=100, description="Role to column, several parted by commas.")] = {}
    validate_only: bool = False
