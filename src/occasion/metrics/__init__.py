"""Metrics of ranked answers, each with its formula, and honest intervals around their means."""

from __future__ import annotations

from occasion.metrics.intervals import bootstrap_interval, paired_difference, permutation_test, rate_interval, resampled_means
from occasion.metrics.lists import coverage, gini, intra_list_diversity, novelty
from occasion.metrics.off_policy import (
    LoggedPlaces,
    OffPolicyEstimate,
    effective_sample_size,
    off_policy_estimates,
    place_weights,
)
from occasion.metrics.ranking import HitTable, gauc, hit, ndcg, recall, reciprocal_rank
from occasion.metrics.sequential import Mean, clustered_mean, sequential_margin

__all__ = [
    "HitTable",
    "LoggedPlaces",
    "Mean",
    "OffPolicyEstimate",
    "bootstrap_interval",
    "clustered_mean",
    "coverage",
    "effective_sample_size",
    "gauc",
    "gini",
    "hit",
    "intra_list_diversity",
    "ndcg",
    "novelty",
    "off_policy_estimates",
    "paired_difference",
    "permutation_test",
    "place_weights",
    "rate_interval",
    "recall",
    "reciprocal_rank",
    "resampled_means",
    "sequential_margin",
]
