"""Fitting: from a store's log to a model version, behind a gate."""

from occasion.fitting.fit import fit
from occasion.fitting.learner import learner
from occasion.fitting.live_feedback import live_feedback, roll_back_if_worse
from occasion.fitting.loop import Decision, LoopOptions, learn

__all__ = ["Decision", "LoopOptions", "fit", "learn", "learner", "live_feedback", "roll_back_if_worse"]
