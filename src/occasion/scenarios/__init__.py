"""Scenarios: named configurations of recommend, kept in the store, each change of them in the audit log and reversible."""

from occasion.scenarios.asking import Asked, combined, resolve
from occasion.scenarios.registry import STEERING, Change, Scenarios
from occasion.scenarios.scenario import Scenario, parse_scenario
from occasion.scenarios.steering import steered, steering_of

__all__ = [
    "STEERING",
    "Asked",
    "Change",
    "Scenario",
    "Scenarios",
    "combined",
    "parse_scenario",
    "resolve",
    "steered",
    "steering_of",
]
