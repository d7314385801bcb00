"""Live figures, comparisons, studies."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from occasion.service.schemas.base import Body, Shown

__all__ = ["ComparisonOut", "LiveOut", "StudiesOut", "StudyIn", "StudyOut"]


class ArmOut(Shown):
    """The answers of one scenario, policy or version."""

    name: str
    answers: int
    people: int
    rate: float = Field(description="Share of answers something of which was clicked or better.")
    low: float | None
    high: float | None
    bought: float
    disliked: float
    length: float
    by_chance: float


class TotalsOut(Shown):
    """All answers looked at."""

    answers: int
    people: int
    items: int
    since: float | None
    until: float | None
    rate: float
    coverage: float
    top_share: float
    by_chance: float
    short: float
    impressions: bool


class PointOut(Shown):
    """A stretch of time."""

    at: float
    answers: int
    rate: float


class SignalDriftOut(Shown):
    """How the values of a signal moved: population stability index, and what it is where nothing moved."""

    signal: str
    index: float
    chance: float
    moved: bool
    values: list[tuple[str, float, float]]


class VectorDriftOut(Shown):
    """How a mean vector turned."""

    what: str
    distance: float
    chance: float
    moved: bool


class AlertOut(Shown):
    """Something that asks for somebody."""

    name: str
    severity: Literal["error", "warning"]
    message: str
    cause: str
    page: str = Field(description="Where to look, as a path of the console.")
    values: dict[str, Any]


class LiveOut(Shown):
    """What is going on: the last answers (4,000 at most) and what came of them."""

    at: float
    totals: TotalsOut
    series: list[PointOut]
    scenarios: list[ArmOut]
    policies: list[ArmOut]
    versions: list[ArmOut]
    signals: list[SignalDriftOut]
    vectors: list[VectorDriftOut]
    alerts: list[AlertOut]
    service: dict[str, Any] | None = Field(description="Of the last quarter of an hour, all tenants; operators alone see it.")


class ComparisonOut(Shown):
    """Two ways of answering: rates and their difference; null where one has fewer than two people."""

    arms: list[ArmOut]
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    enough: bool = Field(default=False, description="Both have at least 20 people.")


class StudyIn(Body):
    """What is to be measured."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"kind": "offline", "options": {"max_queries": 100}}]})

    kind: Literal["offline", "off-policy"] = "offline"
    options: dict[Annotated[str, Field(max_length=40)], Any] = Field(
        default={},
        description="offline: share, k, max_queries, seed, curves. off-policy: version, policy, places, reward, max_slates, seed.",
    )


class StudyOut(Shown):
    """A study and how far it is."""

    id: str
    kind: str
    options: dict[str, Any]
    state: Literal["running", "done", "failed", "cancelled"]
    created: float
    stage: str
    done: int
    total: int
    error: str
    cure: str
    report: dict[str, Any] | None = Field(default=None, description="Of one that is done, where it was asked for by its id.")


class StudiesOut(Shown):
    """The studies, newest first."""

    studies: list[StudyOut]
