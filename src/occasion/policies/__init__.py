"""Policies: scores to an ordered choice with probabilities, one a file. To add one: write the file, add its line here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from occasion.errors import DataError

if TYPE_CHECKING:
    from occasion.protocols import Policy

__all__ = ["POLICIES", "make_policy"]

POLICIES = {
    "diverse": "occasion.policies.diverse:DiversePolicy",
    "epsilon": "occasion.policies.epsilon:EpsilonPolicy",
}
"""Name to where it lives."""


def make_policy(name: str, **settings: Any) -> Policy:
    """Build a policy by name; raises DataError for an unknown one."""
    if name not in POLICIES:
        raise DataError(f"there is no policy {name!r}. Cure: one of {', '.join(sorted(POLICIES))}.")
    module, cls = POLICIES[name].split(":")
    made: Policy = getattr(import_module(module), cls)(**settings)
    return made
