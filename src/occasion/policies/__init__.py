"""Policies: scores to an ordered choice with probabilities, one a file. To add one: write the file, add its line here."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Any

from occasion.errors import DataError

if TYPE_CHECKING:
    from occasion.protocols import Policy

__all__ = ["POLICIES", "make_policy"]

POLICIES = {
    "diverse": "occasion.policies.diverse:DiversePolicy",
    "epsilon": "occasion.policies.epsilon:EpsilonPolicy",
    "greedy": "occasion.policies.greedy:GreedyPolicy",
    "plackett-luce": "occasion.policies.plackett_luce:PlackettLucePolicy",
    "thompson": "occasion.policies.thompson:ThompsonPolicy",
}
"""Name to where it lives."""


def make_policy(name: str, **settings: Any) -> Policy:
    """Build a policy by name; raises DataError for an unknown one, or a setting that it does not have."""
    kind, known = _kind(name)
    for setting in settings:
        if setting not in known:
            has = f"one of {', '.join(known)}" if known else "leave it out, it has none"
            raise DataError(f"the policy {name} has no setting {setting!r}. Cure: {has}.")
    made: Policy = kind(**settings)
    return made


@cache
def _kind(name: str) -> tuple[Callable[..., Policy], tuple[str, ...]]:
    """Return what builds a policy and the names of its settings."""
    if name not in POLICIES:
        raise DataError(f"there is no policy {name!r}. Cure: one of {', '.join(sorted(POLICIES))}.")
    module, cls = POLICIES[name].split(":")
    kind = getattr(import_module(module), cls)
    return kind, tuple(signature(kind).parameters)
