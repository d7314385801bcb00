"""Asking: what a request wants once the scenario it names, and those that always apply, have had their say.

What the request says goes before what its scenario says, rule by rule. Scenarios that always apply come on top: their filters
and exclusions narrow, what was already had stays away where either says so, the smaller cap counts, boosts multiply, and pins
take places that are still free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from occasion.data import Scalar
from occasion.errors import NotFoundError
from occasion.rules import Cap, Filter, Rules
from occasion.scenarios.scenario import Scenario

__all__ = ["Asked", "combined", "resolve"]

K = 10
PLAIN = Rules()
"""No rules."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What a request wants.

    Attributes
    ----------
    k : int
    rules : Rules
    diversity, explore : float or None
        None: the settings'.
    policy : str or None
        None: by the levels.
    policy_options : mapping
    signals : mapping
        Of the moment, those that the request does not give.
    notes : tuple of str
        For example that the scenario named is not in force now.
    """

    k: int
    rules: Rules
    diversity: float | None
    explore: float | None
    signals: Mapping[str, Scalar]
    policy: str | None = None
    policy_options: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def resolve(
    scenarios: Mapping[str, Scenario],
    name: str,
    at: float,
    *,
    k: int | None = None,
    rules: Rules | None = None,
    diversity: float | None = None,
    explore: float | None = None,
    policy: str | None = None,
    policy_options: Mapping[str, Any] | None = None,
) -> Asked:
    """Return what a request wants.

    Parameters
    ----------
    scenarios : mapping of name to Scenario
        All there are.
    name : str
        The one that the request names, "" for none.
    at : float
        The time of the moment.
    k, rules, diversity, explore, policy, policy_options
        What the request says itself; a rule that is as by default counts as not said. A policy with its options is taken whole
        from who names one first, unless a level was named before.

    Raises
    ------
    NotFoundError
        Where there is no scenario of this name.
    """
    if name and name not in scenarios:
        raise NotFoundError(f"there is no scenario {name!r:.100}. Cure: {_known(scenarios)}.")
    if not scenarios:
        # Nothing to ask, on the way of every answer.
        return Asked(
            k=_first(k, K),
            rules=rules or PLAIN,
            diversity=diversity,
            explore=explore,
            signals={},
            policy=policy,
            policy_options=policy_options or {},
        )
    notes: list[str] = []
    named = scenarios[name] if name else Scenario()
    if not named.active(at):
        notes.append(f"The scenario {name} is not in force at this time: the answer does without it.")
        named = Scenario()
    always = [s for other, s in sorted(scenarios.items()) if s.always and s.active(at)]
    own = filled(rules or Rules(), Rules() if named.always else named.parsed())
    for scenario in always:
        own = combined(own, scenario.parsed())
    layers = (named, *(s for s in always if s is not named))
    signals: dict[str, Scalar] = {}
    for scenario in reversed(layers):
        signals |= scenario.signals
    if (policy, diversity, explore) == (None, None, None):
        policy, policy_options = _policy_of(layers, policy_options or {})
    return Asked(
        k=_first(k, *(s.k for s in layers), K),
        rules=own,
        diversity=_first(diversity, *(s.diversity for s in layers)),
        # Chance by a level is the policy epsilon: another policy does without that of scenarios.
        explore=_first(explore, *(s.explore for s in layers)) if policy in (None, "epsilon") else explore,
        policy=policy,
        policy_options=policy_options or {},
        signals=signals,
        notes=tuple(notes),
    )


def _policy_of(layers: Sequence[Scenario], given: Mapping[str, Any]) -> tuple[str | None, Mapping[str, Any]]:
    """Return the policy of the first scenario that says how to choose, and its options with those that the request gives."""
    for scenario in layers:
        if scenario.policy is not None:
            return scenario.policy, {**scenario.policy_options, **given}
        if (scenario.diversity, scenario.explore) != (None, None):
            break
    return None, given


def _known(scenarios: Mapping[str, Scenario]) -> str:
    return f"one of {', '.join(sorted(scenarios)[:20])}" if scenarios else "put one first; there is none"


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def filled(given: Rules, base: Rules) -> Rules:
    """Return rules with those that are as by default taken from `base`."""
    default = Rules()
    names = [f.name for f in fields(Rules) if getattr(given, f.name) == getattr(default, f.name)]
    return replace(given, **{name: getattr(base, name) for name in names})


def combined(own: Rules, always: Rules) -> Rules:
    """Return rules under which both are in force; a request's own `strict` or `exclude_seen` cannot relax `always`."""
    caps = {cap.field: cap.most for cap in always.caps}
    for cap in own.caps:
        caps[cap.field] = min(cap.most, caps.get(cap.field, cap.most))
    places = set(own.pins.values())
    pins = {item: place for item, place in always.pins.items() if item not in own.pins and place not in places}
    return replace(
        own,
        firm=_both(own.firm, _both(always.filter, always.firm)),
        exclude=tuple(dict.fromkeys((*own.exclude, *always.exclude))),
        exclude_seen=always.exclude_seen if own.exclude_seen == "auto" or always.exclude_seen is True else own.exclude_seen,
        pins={**own.pins, **pins},
        boosts=(*own.boosts, *always.boosts),
        quotas=(*own.quotas, *always.quotas),
        caps=tuple(Cap(name, most) for name, most in caps.items()),
    )


def _both(one: Filter | None, other: Filter | None) -> Filter | None:
    if one is None or other is None:
        return one or other
    return Filter("and", parts=(one, other))
