"""Evaluation: honest offline figures on a user's own store. `evaluate` does all; see `occasion.evaluation.offline`."""

from occasion.evaluation.offline import evaluate
from occasion.evaluation.report import Report

__all__ = ["Report", "evaluate"]
