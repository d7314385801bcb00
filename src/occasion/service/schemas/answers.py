"""Contexts, rules and answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from occasion.data import Context
from occasion.policies import POLICIES
from occasion.scenarios import Scenario, parse_scenario
from occasion.service.schemas.base import Body, Id, Scalar, Shown, Signals, Time

__all__ = [
    "Answer",
    "ContextIn",
    "Entry",
    "ExplainIn",
    "Explanation",
    "PolicyOptionsIn",
    "RankIn",
    "Ranked",
    "RecommendIn",
    "RulesIn",
    "ScenarioIn",
    "ScenarioName",
    "Scenarios",
    "Scores",
    "SimilarIn",
    "StoredSlate",
    "WhatIf",
    "WhatIfIn",
]

MAX_K = 1000
K = Annotated[int, Field(ge=1, le=MAX_K)]
Level = Annotated[float, Field(ge=0, le=1)]
PolicyName = Literal["diverse", "epsilon", "greedy", "plackett-luce", "thompson"]
assert set(get_args(PolicyName)) == set(POLICIES)
Positive = Annotated[float, Field(ge=1e-6, le=1e6)]
ScenarioName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class ContextIn(Body):
    """The situation a request is made in."""

    user: Id | None = None
    session: Id | None = None
    at: Time | None = None
    text: Annotated[str, Field(max_length=10_000)] = Field(default="", description="The situation in the person's own words.")
    signals: Signals = {}
    time_zone: Annotated[str, Field(max_length=64)] | None = Field(default=None, description="IANA name.")
    country: Annotated[str, Field(max_length=8)] | None = Field(default=None, description="ISO 3166 code.")
    locale: Literal["en", "zh"] | None = Field(default=None, description="Language of reasons; left out: the service's.")
    recent: Annotated[list[Id], Field(max_length=500)] = []

    def context(self, locale: str, signals: dict[str, Scalar] | None = None) -> Context:
        """Return the value; `locale` and `signals` stand in for what is not given."""
        return Context(
            user=self.user,
            session=self.session,
            at=self.at,
            text=self.text,
            signals={**(signals or {}), **self.signals},
            time_zone=self.time_zone or None,
            country=self.country or None,
            locale=self.locale or locale,
            recent=tuple(self.recent),
        )


class BoostIn(Body):
    """Raise the scores of what passes a filter."""

    filter: str | dict[str, Any]
    factor: Annotated[float, Field(ge=0, le=100)]


class QuotaIn(Body):
    """At least so many items of those that pass a filter."""

    filter: str | dict[str, Any]
    least: Annotated[int, Field(ge=1, le=MAX_K)]


class RulesIn(Body):
    """What an answer must obey; see the guide to rules."""

    filter: Annotated[str, Field(max_length=10_000)] | dict[str, Any] | None = None
    exclude_seen: bool | Literal["auto"] | None = None
    exclude: Annotated[list[Id], Field(max_length=10_000)] | None = None
    pins: Annotated[dict[str, Annotated[int, Field(ge=1, le=MAX_K)]], Field(max_length=1000)] | None = None
    boosts: Annotated[list[BoostIn], Field(max_length=100)] | None = None
    caps: Annotated[dict[str, Annotated[int, Field(ge=1)]], Field(max_length=20)] | None = None
    quotas: Annotated[list[QuotaIn], Field(max_length=20)] | None = None
    strict: bool | None = None

    def given(self) -> dict[str, Any]:
        """Return what was given, in the form of `parse_rules`."""
        return self.model_dump(exclude_none=True)


class PolicyOptionsIn(Body):
    """Settings of the policy that is named; each policy has its own, see the guide to exploring."""

    diversity: Level | None = Field(default=None, description="Of diverse.")
    epsilon: Level | None = Field(default=None, description="Of epsilon: chance of a place to go to any candidate.")
    temperature: Positive | None = Field(default=None, description="Of plackett-luce: near 0 best first, great evenly.")
    scale: Positive | None = Field(default=None, description="Of thompson: multiplies how unsure scores are.")
    spread: Positive | None = Field(default=None, description="Of thompson: how unsure, where nothing says so.")

    def given(self) -> dict[str, float]:
        """Return what was given."""
        return self.model_dump(exclude_none=True)


class ScenarioIn(Body):
    """A named configuration, for example of a home page or a basket: what a request leaves out is taken from it."""

    k: K | None = None
    rules: RulesIn = RulesIn()
    diversity: Level | None = None
    explore: Level | None = None
    policy: PolicyName | None = Field(default=None, description="In place of diversity and explore.")
    policy_options: PolicyOptionsIn = PolicyOptionsIn()
    signals: Signals = {}
    always: bool = Field(default=False, description="It applies to every request, named or not, and cannot be relaxed.")
    active_from: Time | None = Field(default=None, description="In force from this time on.")
    active_until: Time | None = Field(default=None, description="In force until this time.")
    about: Annotated[str, Field(max_length=1000)] = Field(default="", description="A remark for people.")

    def scenario(self) -> Scenario:
        """Return the value."""
        return parse_scenario(self.given())

    def given(self) -> dict[str, Any]:
        """Return what was given, in the form of `parse_scenario`."""
        return self.model_dump(exclude_none=True, exclude_unset=True)


class Scenarios(Shown):
    """The scenarios of a tenant by name."""

    scenarios: dict[str, ScenarioIn]


class RecommendIn(ContextIn):
    """A moment, and what is wanted in it."""

    k: K | None = Field(default=None, description="Number of items wanted; left out: the scenario's, else 10.")
    rules: RulesIn = RulesIn()
    scenario: ScenarioName | None = None
    diversity: Level | None = Field(default=None, description="0: best first, 1: as different as can be.")
    explore: Level | None = Field(default=None, description="Chance of each place to go to a candidate drawn evenly.")
    policy: PolicyName | None = Field(
        default=None, description="How places are chosen; left out: the scenario's, else by the levels."
    )
    policy_options: PolicyOptionsIn = PolicyOptionsIn()
    explain: bool = Field(default=True, description="Whether entries carry parts, because and reason.")
    after: Id | None = Field(
        default=None,
        description="The slate whose next page is wanted: send the request that made it again, with this. Pins count on the "
        "first page alone.",
    )


class Entry(Shown):
    """One place of an answer."""

    item: str
    score: float
    propensity: float = Field(description="Probability that this item came to this place, given those before.")
    parts: dict[str, float] | None = Field(default=None, description="Their sum is the score.")
    because: list[str] | None = Field(default=None, description="Items of the history that speak for it.")
    reason: str | None = None


class Answer(Shown):
    """What fits the moment."""

    slate: str = Field(description="Name it in events, to tie feedback to this answer.")
    items: list[Entry]
    sentence: str = Field(description="The situation as the language model read it.")
    notes: list[str] = Field(description="For example why fewer items came than were asked for.")
    version: str
    policy: str
    scenario: str = Field(default="", description="The scenario that the request named.")
    timing: dict[str, float] = Field(description="Milliseconds of each stage, `parse`, `queue` and `total` among them.")


class SimilarIn(Body):
    """An item whose likes are wanted."""

    item: Id
    k: K = 10
    rules: RulesIn = RulesIn()
    locale: Literal["en", "zh"] | None = None


class RankIn(ContextIn):
    """A moment, and the caller's own candidates."""

    items: Annotated[list[Id], Field(min_length=1, max_length=MAX_K)]


class Scores(Shown):
    """Scores in this moment, comparable among each other alone."""

    scores: dict[str, float]
    unknown: list[str] = Field(description="Ids that the catalogue does not know.")
    timing: dict[str, float]


class RatingsOut(Shown):
    """Expected ratings, on the scale of the log's own."""

    ratings: dict[str, float]
    unknown: list[str] = Field(description="Ids that the store does not know.")
    timing: dict[str, float]


class RankedEntry(Shown):
    """One of the caller's candidates."""

    item: str
    score: float


class Ranked(Shown):
    """The caller's candidates, best first."""

    items: list[RankedEntry]
    unknown: list[str] = Field(description="Ids that the catalogue does not know.")
    timing: dict[str, float]


class ExplainIn(Body):
    """A place of an answer."""

    slate: Id
    item: Id


class Explanation(Shown):
    """Why an item stood where it stood."""

    slate: str
    item: str
    place: int = Field(ge=1)
    score: float
    propensity: float
    parts: dict[str, float]
    because: list[str]
    reason: str
    sentence: str
    version: str


class ChangeIn(Body):
    """What is to be different."""

    signals: Signals = {}
    text: Annotated[str, Field(max_length=10_000)] | None = None
    at: Time | None = None


class WhatIfIn(ContextIn):
    """A moment, and a change to it."""

    k: K = 10
    rules: RulesIn = RulesIn()
    diversity: Level | None = Field(default=None, description="0: best first, 1: as different as can be.")
    explore: Level | None = Field(default=None, description="Chance of each place to go to a candidate drawn evenly.")
    change: ChangeIn


class WhatIf(Shown):
    """Both answers; neither is stored."""

    before: Answer
    after: Answer
    came: list[str] = Field(description="Items that the change brought in.")
    went: list[str] = Field(description="Items that it took away.")


class StoredSlate(Shown):
    """An answer as stored."""

    slate: str
    at: float | None
    user: str | None
    session: str | None
    items: list[Entry]
    sentence: str
    notes: list[str]
    version: str
    policy: str
    scenario: str
