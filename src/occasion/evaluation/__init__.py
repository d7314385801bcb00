"""Evaluation: honest offline figures on a user's own store. `evaluate` does all; see `occasion.evaluation.offline`."""

from occasion.evaluation.off_policy import evaluate_off_policy
from occasion.evaluation.off_policy_report import OffPolicyReport
from occasion.evaluation.offline import evaluate
from occasion.evaluation.report import Report

__all__ = ["OffPolicyReport", "Report", "evaluate", "evaluate_off_policy"]
