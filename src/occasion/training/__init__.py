"""Training: from a store's log to a model version, behind a gate."""

from occasion.training.fit import fit
from occasion.training.learner import learner
from occasion.training.live_feedback import live_feedback, roll_back_if_worse
from occasion.training.loop import Decision, LoopOptions, learn

__all__ = ["Decision", "LoopOptions", "fit", "learn", "learner", "live_feedback", "roll_back_if_worse"]
