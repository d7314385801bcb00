"""Metrics of ranked answers, each with its formula, and honest intervals around their means."""

from __future__ import annotations

from occasion.metrics.intervals import bootstrap_interval, paired_difference, permutation_test
from occasion.metrics.lists import coverage, gini, intra_list_diversity, novelty
from occasion.metrics.ranking import HitTable, gauc, hit, ndcg, recall, reciprocal_rank

__all__ = [
    "HitTable",
    "bootstrap_interval",
    "coverage",
    "gauc",
    "gini",
    "hit",
    "intra_list_diversity",
    "ndcg",
    "novelty",
    "paired_difference",
    "permutation_test",
    "recall",
    "reciprocal_rank",
]
