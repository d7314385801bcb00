"""Options that name a policy and its settings, for every command that chooses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

__all__ = ["policy_options", "policy_settings"]

SETTINGS = ("temperature", "epsilon", "scale")


def policy_options(command: Any) -> Any:
    """Give a command ``--policy`` and the settings of policies."""
    options = (
        click.option("--policy", metavar="NAME", help="greedy, diverse, epsilon, plackett-luce or thompson. Default: diverse."),
        click.option(
            "--temperature", type=float, help="Of plackett-luce, above 0: near 0 best first, great evenly.  [default: 0.05]"
        ),
        click.option("--epsilon", type=float, help="Of epsilon: chance of a place to go to any candidate.  [default: 0.05]"),
        click.option("--scale", type=float, help="Of thompson, above 0: multiplies how unsure scores are.  [default: 1]"),
    )
    for option in reversed(options):
        command = option(command)
    return command


def policy_settings(given: Mapping[str, Any]) -> dict[str, float]:
    """Return those settings of a policy that were given."""
    return {name: given[name] for name in SETTINGS if given[name] is not None}
