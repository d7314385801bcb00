"""Groups: the same figures on parts of the queries, by stratum and by the value of any signal."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from occasion.data import Scalar
from occasion.evaluation.figures import Measures
from occasion.evaluation.queries import Answers
from occasion.evaluation.report import Group
from occasion.evaluation.systems import OCCASION

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Grouping"]

STRATA = ("cold item", "new user", "warm")
VALUES = 24
"""Values of a signal shown at most, the most frequent."""


class Grouping:
    """Cuts measures into groups.

    Parameters
    ----------
    measures : Measures
    baselines : sequence of str
    least : int
        Queries a slice needs to be shown.
    """

    def __init__(self, measures: Measures, baselines: Sequence[str], least: int) -> None:
        self.measures, self.least = measures, least
        means = {name: measures.figure(name, "ndcg").mean for name in baselines}
        self.best = max(means, key=lambda name: means[name], default="")
        """The baseline with the greatest ndcg over all queries, empty where there is none."""

    def strata(self, answers: Answers) -> dict[str, Group]:
        """Return the strata that have queries, however few."""
        labels = np.array(answers.strata)
        return {name: self._group(labels == name) for name in STRATA if (labels == name).any()}

    def slices(self, answers: Answers, names: Sequence[str] | None) -> dict[str, dict[str, Group]]:
        """Return signal to value to group, for values with enough queries; a signal needs two such values to be shown.

        Numbers with a fraction are cut at their quartiles.
        """
        out = {}
        for name, values in answers.signals.items():
            if names is None or name in names:
                groups = self._by_value(_labels(values))
                if len(groups) > 1 or (names is not None and groups):
                    out[name] = groups
        return out

    def _by_value(self, labels: Sequence[str | None]) -> dict[str, Group]:
        counts = Counter(label for label in labels if label is not None)
        frequent = [label for label, n in counts.most_common(VALUES) if n >= self.least]
        array = np.array([label if label is not None else "" for label in labels], object)
        given = np.array([label is not None for label in labels])
        return {label: self._group(given & (array == label)) for label in sorted(frequent, key=_natural)}

    def _group(self, mask: NDArray[np.bool_]) -> Group:
        m = self.measures
        systems = list(m.systems)
        return Group(
            queries=int(mask.sum()),
            users=len(np.unique(m.users[mask])),
            ndcg={name: m.figure(name, "ndcg", mask) for name in systems},
            hit={name: m.figure(name, "hit", mask) for name in systems},
            difference=m.difference(OCCASION, self.best, "ndcg", mask) if self.best else None,
        )


def _labels(values: Sequence[Scalar | None]) -> list[str | None]:
    """Return values as texts; numbers with a fraction as one of four ranges of equal frequency."""
    numbers = [v for v in values if isinstance(v, float) and not v.is_integer()]
    if not numbers:
        return [None if v is None else _text(v) for v in values]
    known = np.array([float(v) for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)])
    cuts = np.unique(np.quantile(known, [0.25, 0.5, 0.75]))
    edges = [f"{c:.4g}" for c in cuts]
    names = [f"below {edges[0]}", *(f"{a} to {b}" for a, b in pairwise(edges)), f"from {edges[-1]}"]
    return [names[int(np.searchsorted(cuts, v, side="right"))] if isinstance(v, (int, float)) else None for v in values]


def _text(value: Scalar) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


_NUMBER = re.compile(r"(below |from )?(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)\b")


def _natural(label: str) -> tuple[int, float, str]:
    """Sort numbers and ranges by where they begin, before texts."""
    found = _NUMBER.match(label)
    if found is None:
        return (1, 0.0, label)
    return (0, -math.inf if found[1] == "below " else float(found[2]), label)
