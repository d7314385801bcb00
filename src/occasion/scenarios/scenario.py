"""A scenario as a value: what a request that names it leaves out, and when it is in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

from occasion.data import Context, Scalar, checked_time
from occasion.errors import DataError
from occasion.policies import make_policy
from occasion.rules import Rules, parse_rules

__all__ = ["Scenario", "parse_scenario"]

MAX_ABOUT = 1000
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """A named configuration of recommend, for example of a home page, a basket or a campaign.

    Attributes
    ----------
    rules : mapping
        In the form of `occasion.rules.parse_rules`: filter, exclude_seen, exclude, pins, boosts, caps, quotas, strict.
    k : int or None
        Number of items, 1 to 10,000.
    diversity, explore : float or None
        0 to 1; at most one of the two above 0.
    policy : str or None
        A name in `occasion.policies.POLICIES`, in place of `diversity` and `explore`.
    policy_options : mapping
        Settings of that policy, for example ``{"temperature": 0.1}``.
    signals : mapping
        Signals of the moment that the request does not give.
    always : bool
        It applies to every request, named or not: its filter, exclusions (an `exclude_seen` of true among them), caps, boosts and
        pins are in force beside those of the request, and a request cannot relax them.
    active_from, active_until : float or None
        Unix seconds; in force in [from, until), by the time of the moment. None: no limit.
    about : str
        A remark for people, at most 1,000 characters.

    Raises
    ------
    DataError, RuleError
        For a value that cannot be used.
    """

    rules: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    k: int | None = None
    diversity: float | None = None
    explore: float | None = None
    policy: str | None = None
    policy_options: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    signals: Mapping[str, Scalar] = field(default_factory=lambda: _NOTHING)
    always: bool = False
    active_from: float | None = None
    active_until: float | None = None
    about: str = ""

    def __post_init__(self) -> None:
        parse_rules(self.rules)
        if self.k is not None and (isinstance(self.k, bool) or not isinstance(self.k, int) or not 1 <= self.k <= 10_000):
            raise DataError(f"k is {self.k!r}. Cure: a whole number from 1 to 10000.")
        for name in ("diversity", "explore"):
            _check_level(name, getattr(self, name))
        if self.diversity and self.explore:
            raise DataError("a scenario has diversity or explore, not both. Cure: leave one of the two out.")
        self._check_policy()
        if not isinstance(self.always, bool):
            raise DataError(f"always is {self.always!r}. Cure: true or false.")
        if not isinstance(self.about, str) or len(self.about) > MAX_ABOUT:
            raise DataError(f"about must be text of at most {MAX_ABOUT} characters.")
        start, end = checked_time(self.active_from, "active_from"), checked_time(self.active_until, "active_until")
        if start is not None and end is not None and end <= start:
            raise DataError(f"it is active from {start} until {end}. Cure: the end must lie after the start.")
        checked = Context(signals=self.signals)
        object.__setattr__(self, "signals", checked.signals)
        object.__setattr__(self, "rules", MappingProxyType(dict(self.rules)))

    def _check_policy(self) -> None:
        if not isinstance(self.policy_options, Mapping):
            raise DataError(f"policy_options must be a mapping, found {self.policy_options!r:.200}.")
        if self.policy is None:
            if self.policy_options:
                raise DataError(f"the settings {', '.join(self.policy_options)} belong to a policy. Cure: name the policy.")
            return
        if self.diversity or self.explore:
            raise DataError(
                "a scenario has a policy, or diversity or explore. Cure: leave one out; policy_options hold its settings."
            )
        if not isinstance(self.policy, str):
            raise DataError(f"policy is {self.policy!r:.100}. Cure: the name of one.")
        make_policy(self.policy, **self.policy_options)
        object.__setattr__(self, "policy_options", MappingProxyType(dict(self.policy_options)))

    def active(self, at: float) -> bool:
        """Return whether it is in force at a time."""
        return (self.active_from is None or self.active_from <= at) and (self.active_until is None or at < self.active_until)

    def parsed(self) -> Rules:
        """Return its rules."""
        return parse_rules(self.rules)

    def document(self) -> dict[str, Any]:
        """Return it as plain values for JSON; what is as by default is left out."""
        out = {f.name: getattr(self, f.name) for f in fields(self)}
        out |= {name: dict(getattr(self, name)) for name in ("rules", "signals", "policy_options")}
        return {name: value for name, value in out.items() if value is not None and value is not False and value not in ({}, "")}


def _check_level(name: str, value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise DataError(f"{name} is {value!r}. Cure: a number from 0 to 1.")


def parse_scenario(source: Mapping[str, Any]) -> Scenario:
    """Return a scenario from its JSON form, whose names are those of `Scenario`.

    Raises
    ------
    DataError, RuleError
        Naming what cannot be understood.
    """
    if not isinstance(source, Mapping):
        raise DataError(f"a scenario must be a mapping, found {source!r:.200}.")
    known = [f.name for f in fields(Scenario)]
    unknown = [name for name in source if name not in known]
    if unknown:
        raise DataError(f"a scenario has no {unknown[0]!r:.100}. Cure: some of {', '.join(known)}.")
    return Scenario(**{name: value for name, value in source.items() if value is not None})
