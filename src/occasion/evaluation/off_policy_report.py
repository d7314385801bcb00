"""The report of an off-policy evaluation: plain values, a table, JSON and a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from occasion.metrics.off_policy import OffPolicyEstimate

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

__all__ = ["NAMES", "PLACE_HEAD", "OffPolicyReport", "Place"]

NAMES = {
    "logged": "as logged",
    "ips": "IPS",
    "snips": "SNIPS, self-normalised",
    "dm": "DM, model alone",
    "dr": "DR, doubly robust",
}
"""Estimates in order of showing."""
PLACE_HEAD = ("place", "logged reward", "mean weight", "effective slates")
"""Columns of the table by place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One place of the slates.

    Attributes
    ----------
    place : int
        From 1.
    reward : float
        Mean logged reward.
    weight : float
        Mean weight before any clipping; 1 but for chance, where the log can show all that the target would.
    effective : float
        Effective sample size, in slates.
    """

    place: int
    reward: float
    weight: float
    effective: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OffPolicyReport:
    """What an off-policy evaluation found.

    Attributes
    ----------
    protocol : mapping
        How it was estimated.
    estimates : mapping of name to OffPolicyEstimate
        Reward a slate (summed over the places looked at), see `occasion.metrics.off_policy`.
    places : tuple of Place
    warnings : tuple of str
        Why the estimates may be wrong.
    notes : tuple of str
    seconds : float
    """

    protocol: Mapping[str, Any]
    estimates: Mapping[str, OffPolicyEstimate]
    places: tuple[Place, ...]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = field(default=0.0, compare=False)

    @property
    def facts(self) -> str:
        """In one sentence, what was estimated from."""
        p = self.protocol
        return (
            f"Policy {p['policy']} of {p['version']} on {p['slates']} slates of {p['users']} users since {p['cut_date']}: "
            f"{p['reward']} a slate in the first {p['places']} places. In brackets: 95 % intervals, bootstrap over users."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain dictionaries, lists and numbers, fit for JSON."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    def rows(self) -> list[tuple[str, str, str]]:
        """Return name, estimate and gain over the log of each estimate, as texts."""
        out = []
        for name, title in NAMES.items():
            if name in self.estimates:
                e = self.estimates[name]
                gain = "" if name == "logged" else f"{e.gain:+.4f} [{e.gain_low:+.4f}, {e.gain_high:+.4f}]"
                out.append((title, f"{e.mean:.4f} [{e.low:.4f}, {e.high:.4f}]", gain))
        return out

    def place_rows(self) -> list[tuple[str, ...]]:
        """Return place, logged reward, mean weight and effective slates as texts."""
        return [(str(p.place), f"{p.reward:.4f}", f"{p.weight:.3f}", f"{p.effective:.0f}") for p in self.places]

    def show(self, console: Console | None = None) -> None:
        """Print the tables."""
        from rich.console import Console

        from occasion.evaluation.table import plain_table

        console = console or Console()
        console.print(self.facts, markup=False, highlight=False)
        console.print(plain_table("Reward a slate", ("estimate", "mean", "less the log's"), self.rows()))
        console.print(plain_table("By place", PLACE_HEAD, self.place_rows()))
        for text in self.warnings:
            console.print(f"warning: {text}", markup=False, highlight=False)
        for text in self.notes:
            console.print(f"* {text}", markup=False, highlight=False)

    def to_html(self) -> str:
        """Return one self-contained HTML page: no scripts, no addresses."""
        from occasion.evaluation.html import off_policy_page

        return off_policy_page(self)

    def write(self, path: Path | str) -> None:
        """Write the report by the ending of the file's name, .json or .html.

        Raises
        ------
        DataError
            For another ending.
        OccasionError
            Where the file cannot be written.
        """
        from pathlib import Path

        from occasion.errors import DataError
        from occasion.evaluation.report import writing

        path = Path(path)
        ending = path.suffix.lower()
        if ending not in (".json", ".html", ".htm"):
            raise DataError(f"an off-policy report cannot be written as {path.name!r}. Cure: a name that ends in .json or .html.")
        text = json.dumps(self.to_dict(), ensure_ascii=False, indent=1) + "\n" if ending == ".json" else self.to_html()
        with writing(path):
            path.write_text(text, "utf-8")
