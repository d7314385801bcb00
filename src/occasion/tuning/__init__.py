"""Tuning: the language model itself learns from the store's interactions, and a cheap student learns from it.

Needs the extra ``tune``, but for a student in service. Formulas and sources are in `losses` and `teacher`.
"""

from __future__ import annotations

from occasion.tuning.options import DistillOptions, TuneOptions
from occasion.tuning.run import TuneReport, tune
from occasion.tuning.student import distill

__all__ = ["DistillOptions", "TuneOptions", "TuneReport", "distill", "tune"]
