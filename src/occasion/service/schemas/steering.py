"""Changes of scenarios, previews, and steering item by item."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from occasion.scenarios import STEERING
from occasion.service.schemas.answers import ScenarioIn, ScenarioName
from occasion.service.schemas.base import Body, Id, Shown

__all__ = ["ChangeOut", "Changes", "PreviewIn", "PreviewOut", "SteerIn", "UndoIn", "Undone"]


class PreviewIn(Body):
    """A draft, and how many recent requests it is tried on."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "home", "scenario": {"rules": {"filter": "price < 5"}}, "requests": 20}]}
    )

    name: ScenarioName
    scenario: ScenarioIn | None = Field(default=None, description="Left out or null: as if the scenario were removed.")
    requests: Annotated[int, Field(ge=1, le=200)] = 50


class MovedOut(Shown):
    """An item and in how many lists it appears or disappears."""

    item: str
    title: str
    lists: int


class ExampleOut(Shown):
    """One answer before and after."""

    slate: str
    at: float
    before: list[str]
    after: list[str]


class PreviewOut(Shown):
    """What a draft would do to recent answers. Nothing is stored."""

    requests: int = Field(description="Recent answers that were worked out again.")
    changed: int
    shorter: int
    longer: int
    empty: int
    entered: list[MovedOut]
    left: list[MovedOut]
    examples: list[ExampleOut]
    titles: dict[str, str] = Field(description="Of the items in the examples.")
    notes: list[str]


class ChangeOut(Shown):
    """A change of a scenario."""

    seq: int = Field(description="Give it to undo the change.")
    at: float
    actor: str
    act: str
    name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class Changes(Shown):
    """Changes of scenarios, newest first."""

    changes: list[ChangeOut]


class UndoIn(Body):
    """The change to undo."""

    change: Annotated[int, Field(ge=1, le=2**53)]
    force: bool = Field(default=False, description="Also where the scenario was changed again since.")


class Undone(Shown):
    """What the scenario is now; null: there is none."""

    name: str
    scenario: dict[str, Any] | None


class SteerIn(Body):
    """What is to be done with one item. What is left out stays as it is; null takes it back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"item": "chips", "boost": 1.5}]})

    item: Id
    hide: bool | None = Field(default=None, description="True: it appears in no answer.")
    pin: Annotated[int, Field(ge=1, le=1000)] | None = Field(default=None, description="The place it stands at, from 1.")
    boost: Annotated[float, Field(ge=0, le=100)] | None = Field(default=None, description="1: as ever.")
    scenario: ScenarioName = Field(default=STEERING, description="Where it is kept; the default one always applies.")
