"""Live figures, comparisons, studies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from occasion.service.schemas.base import Body, Id, Shown

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

    names: list[str] = Field(description="Of all that were served lately, that with most answers first.")
    arms: list[ArmOut] = Field(description="The base, and what is compared with it.")
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    enough: bool = Field(default=False, description="Both have at least 20 people.")


class OfflineOptions(Body):
    """Options of a study of the kind offline; see `occasion.evaluation.evaluate`."""

    share: Annotated[float, Field(gt=0, lt=1, description="Share of the events that lie after the cut in time.")] = 0.1
    k: Annotated[int, Field(ge=1, le=1000, description="Length of the lists.")] = 10
    max_queries: Annotated[int, Field(ge=1, le=1_000_000, description="Moments foretold at most.")] = 2000
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    curves: Annotated[bool, Field(description="Also learning curves; takes many times as long.")] = False


class OffPolicyOptions(Body):
    """Options of a study of the kind off-policy; see `occasion.evaluation.evaluate_off_policy`."""

    version: Annotated[Id | None, Field(description="A model version; left out: the blend.")] = None
    policy: Annotated[Id | None, Field(description="Left out: as when it serves.")] = None
    places: Annotated[int, Field(ge=1, le=100, description="First places of each answer that are looked at.")] = 5
    reward: Annotated[Id, Field(description="choice (clicked or better), or an event type.")] = "choice"
    max_slates: Annotated[int, Field(ge=1, le=1_000_000, description="Answers looked at, at most.")] = 2000
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


class FitOptions(Body):
    """Options of a study of the kind fit; see `occasion fit`."""

    budget: Annotated[float, Field(ge=5, le=86_400, description="Seconds for learning, about; the gate comes on top.")] = 300.0
    queries: Annotated[int, Field(ge=50, le=100_000, description="Moments that the gate asks at most.")] = 400
    promote: Annotated[bool, Field(description="Put the version into service where it passes the gate.")] = True
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


OPTIONS: Mapping[str, type[Body]] = {"offline": OfflineOptions, "off-policy": OffPolicyOptions, "fit": FitOptions}
"""Kind of a study to its options."""


class StudyIn(Body):
    """What is to be measured, or learnt."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"kind": "offline", "options": {"max_queries": 100}}]})

    kind: Literal["offline", "off-policy", "fit"] = "offline"
    options: OfflineOptions | OffPolicyOptions | FitOptions = Field(
        default_factory=OfflineOptions, description="Those of the kind."
    )

    @model_validator(mode="before")
    @classmethod
    def _by_kind(cls, given: Any) -> Any:
        """Let options be those of the kind alone, so that what is wrong is told of these."""
        if not isinstance(given, dict):
            return given
        options = OPTIONS.get(str(given.get("kind")), OfflineOptions)
        return {**given, "options": options.model_validate(given.get("options", {}))}

    @property
    def named(self) -> dict[str, Any]:
        """The options that were given."""
        return self.options.model_dump(exclude_unset=True)


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
