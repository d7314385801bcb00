"""Steering: one item hidden, pinned or boosted, as rules of a scenario."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from occasion.scenarios.scenario import Scenario

__all__ = ["steered", "steering_of"]


def steered(scenario: Scenario, item: str, given: Mapping[str, Any], *, always: bool) -> Scenario:
    """Return a scenario with one item steered.

    Parameters
    ----------
    scenario : Scenario
    item : str
        Its id.
    given : mapping
        Any of ``hide`` (bool), ``pin`` (place, None: no pin), ``boost`` (factor, None or 1: none); what is not there stays.
    always : bool
        Whether it is to apply to every request.
    """
    rules = dict(scenario.rules)
    exclude = [one for one in rules.get("exclude") or () if one != item or "hide" not in given]
    if given.get("hide") and item not in exclude:
        exclude.append(item)
    pins = dict(rules.get("pins") or {})
    if "pin" in given:
        pins.pop(item, None)
        if given["pin"] is not None:
            # One place, one item: who stood there gives way.
            pins = {other: place for other, place in pins.items() if place != given["pin"]} | {item: given["pin"]}
    boosts = list(rules.get("boosts") or ())
    if "boost" in given:
        boosts = [boost for boost in boosts if boost["filter"] != _only(item)]
        if given["boost"] is not None and given["boost"] != 1:
            boosts.append({"filter": _only(item), "factor": given["boost"]})
    for name, value in (("exclude", exclude), ("pins", pins), ("boosts", boosts)):
        if value:
            rules[name] = value
        else:
            rules.pop(name, None)
    return replace(scenario, rules=rules, always=scenario.always or always)


def steering_of(scenario: Scenario, item: str) -> dict[str, Any]:
    """Return how an item is steered: hide, pin, boost."""
    rules = scenario.rules
    factors = [boost["factor"] for boost in rules.get("boosts") or () if boost["filter"] == _only(item)]
    pin = (rules.get("pins") or {}).get(item)
    return {"hide": item in (rules.get("exclude") or ()), "pin": pin, "boost": factors[0] if factors else None}


def _only(item: str) -> dict[str, str]:
    return {"field": "id", "eq": item}
