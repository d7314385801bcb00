"""Fitting: from a store's log to a model version, behind a gate."""

from occasion.fitting.fit import fit

__all__ = ["fit"]
