"""The command that measures: evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from occasion.cli.documented import Documented
from occasion.cli.invocation import common_options, current

__all__ = ["evaluate"]

ENDINGS = (".json", ".html", ".png", ".svg", ".pdf")


@click.command(cls=Documented, short_help="Measure quality on the store's own log.")
@click.option("--share", type=float, default=0.1, show_default=True, help="Share of the events after the cut in time, 0 to 1.")
@click.option("--until", metavar="TIME", help="The cut itself: only events before it are learnt from.")
@click.option("--k", "-k", type=int, default=10, show_default=True, help="Length of the lists, 1 to 1000.")
@click.option("--max-queries", type=int, default=2000, show_default=True, help="Moments foretold at most; of more, a sample.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the sample and the bootstrap.")
@click.option("--baseline", "baselines", multiple=True, metavar="NAME", help="A baseline; repeatable. Default: all.")
@click.option("--slice", "slices", multiple=True, metavar="SIGNAL", help="A signal to slice by; repeatable. Default: all.")
@click.option("--diversity", type=float, help="Of the recommender's lists, 0 to 1. Default: the settings'.")
@click.option(
    "--out", multiple=True, type=click.Path(path_type=Path, dir_okay=False), help="Also write .json, .html, .png, .svg, .pdf."
)
@common_options
def evaluate(until: str | None, baselines: tuple[str, ...], slices: tuple[str, ...], out: tuple[Path, ...], **options: Any) -> None:
    """Measure the recommender on the store's own log, next to simple baselines.

    Learns from what came before a cut in time, foretells what people did after it, ranks the whole catalogue, and reports
    NDCG, hit, MRR, coverage, diversity and novelty with bootstrap intervals, by strata and by context. Writes nothing to
    the log.

    Examples
    --------
      occasion evaluate
      occasion evaluate --share 0.2 --out report.html --out report.png
      occasion evaluate --until 2026-10-01 --slice weather --json
    """
    from occasion.cli.parameters import unix_time
    from occasion.errors import DataError
    from occasion.evaluation import evaluate as measure

    # Found out now, not after minutes of measuring.
    for path in out:
        if path.suffix.lower() not in ENDINGS:
            raise DataError(f"a report cannot be written as {path.name!r}. Cure: a name that ends in {', '.join(ENDINGS)}.")
    invocation = current()
    settings = invocation.settings()
    chosen: dict[str, Any] = {"baselines": baselines} if baselines else {}
    with invocation.progress() as progress:
        report = measure(
            settings,
            until=unix_time(until, settings.time_zone),
            slices=slices or None,
            progress=progress,
            **chosen,
            **options,
        )
    for path in out:
        report.write(path)
        invocation.say(f"wrote {path}")
    if invocation.json:
        invocation.emit(report.to_dict())
    else:
        report.show(invocation.console())
