"""Report: the figures of one evaluation as plain values, and the ways to show them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from occasion.errors import DataError, OccasionError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["METRICS", "Curve", "Difference", "Group", "Interval", "Point", "Report", "writing"]

TITLES = {"hit": "hit@{k}", "recall": "recall@{k}", "ndcg": "NDCG@{k}", "mrr": "MRR@{k}"}
METRICS = ("ndcg", "hit", "recall", "mrr", "coverage", "diversity", "novelty")
"""Names in a report, in order of showing. All but coverage are means over queries, with an interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A mean and its 95 % bootstrap interval over users; low and high are None where there is none."""

    mean: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One system less another, query by query: mean, 95 % bootstrap interval over users, two-sided p of the permutation test."""

    mean: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A part of the queries: their number and users, and each system's ndcg and hit on them."""

    queries: int
    users: int
    ndcg: Mapping[str, Interval]
    hit: Mapping[str, Interval]
    difference: Difference | None = None
    """Recommender less the best baseline overall, in ndcg."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A point of a learning curve: number of events, the recommender's ndcg, and how much it is above the point before."""

    size: int
    ndcg: Interval
    step: Difference | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A learning curve; every point answers the same queries. See `occasion.evaluation.curves`."""

    name: str
    points: tuple[Point, ...]

    @property
    def dips(self) -> tuple[Point, ...]:
        """The points that are surely below the one before: the whole interval of the step is."""
        return tuple(point for point in self.points if point.step is not None and point.step.high < 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an evaluation found.

    Attributes
    ----------
    protocol : mapping
        How it was measured: mode, cut, k, share, window, numbers of events, queries and users, seed, versions.
    systems : mapping of system to metric to Interval
        See `METRICS`. Novelty is in bits, the others lie in [0, 1].
    best_baseline : str
        With the greatest ndcg; empty where no baseline was asked for.
    differences : mapping of baseline to metric to Difference
        Recommender less baseline, in ndcg, hit, recall and mrr.
    strata : mapping of stratum to Group
        cold item, new user, warm.
    slices : mapping of signal to value to Group
        Every signal value with enough queries.
    parts : mapping of part to metric to Difference
        The recommender less itself without a part: what the part adds.
    curves : tuple of Curve
    notes : tuple of str
        What a reader must know to read the figures right.
    seconds : float
        Wall time of the evaluation.
    """

    protocol: Mapping[str, Any]
    systems: Mapping[str, Mapping[str, Interval]]
    best_baseline: str
    differences: Mapping[str, Mapping[str, Difference]]
    strata: Mapping[str, Group]
    slices: Mapping[str, Mapping[str, Group]]
    parts: Mapping[str, Mapping[str, Difference]] = field(default_factory=dict)
    curves: tuple[Curve, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = field(default=0.0, compare=False)

    def title(self, metric: str) -> str:
        """Return a metric's usual name, for example NDCG@10."""
        return TITLES.get(metric, metric).format(k=self.protocol["k"])

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain dictionaries, lists and numbers, fit for JSON."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    def show(self, console: Console | None = None) -> None:
        """Print the tables."""
        from occasion.evaluation.table import show

        show(self, console)

    def to_html(self) -> str:
        """Return one self-contained HTML page: no scripts, no addresses."""
        from occasion.evaluation.html import page

        return page(self)

    def plot(self, path: Path | str) -> None:
        """Draw the systems, strata and slices with their intervals to a PNG, SVG or PDF file.

        Raises
        ------
        MissingExtraError
            Where matplotlib is not installed.
        """
        from occasion.evaluation.plot import draw

        path = Path(path)
        if path.suffix.lower() not in (".png", ".svg", ".pdf"):
            raise DataError(f"a plot cannot be written as {path.suffix or 'a file without ending'!r}. Cure: .png, .svg or .pdf.")
        with writing(path):
            draw(self, path)

    def write(self, path: Path | str) -> None:
        """Write the report by the ending of the file's name: .json, .html, or as `plot` does."""
        path = Path(path)
        if path.suffix.lower() == ".json":
            text = json.dumps(self.to_dict(), ensure_ascii=False, indent=1) + "\n"
        elif path.suffix.lower() in (".html", ".htm"):
            text = self.to_html()
        else:
            self.plot(path)
            return
        with writing(path):
            path.write_text(text, "utf-8")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Make the folder; turn an operating system's error into one that names the file and the cure."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise OccasionError(f"{path} cannot be written: {error.strerror or error}. Cure: another place.") from error
