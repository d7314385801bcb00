"""The command that measures: evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from occasion.cli.choices import policy_options, policy_settings
from occasion.cli.documented import Documented
from occasion.cli.invocation import Invocation, common_options, current

if TYPE_CHECKING:
    from occasion.evaluation import OffPolicyReport, Report

__all__ = ["evaluate"]

ENDINGS = (".json", ".html", ".png", ".svg", ".pdf")


@click.command(cls=Documented, short_help="Measure quality on the store's own log.")
@click.option("--share", type=float, default=0.1, show_default=True, help="Share of the events after the cut in time, 0 to 1.")
@click.option("--until", metavar="TIME", help="The cut itself: only events before it are learnt from.")
@click.option("--k", "-k", type=int, default=10, show_default=True, help="Length of the lists, 1 to 1000.")
@click.option(
    "--max-queries", type=int, default=2000, show_default=True, help="Moments (answers) looked at most; of more, a sample."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the sample and the bootstrap.")
@click.option("--baseline", "baselines", multiple=True, metavar="NAME", help="A baseline; repeatable. Default: all.")
@click.option("--slice", "slices", multiple=True, metavar="SIGNAL", help="A signal to slice by; repeatable. Default: all.")
@click.option("--diversity", type=float, help="Of the recommender's lists, 0 to 1. Default: the settings'.")
@click.option(
    "--without", multiple=True, metavar="PART", help="Also without a source, context, text or others; with --learn a learnt part."
)
@click.option(
    "--learn", is_flag=True, help="Learn a model from what lies before the cut, and measure that; the blend is a baseline."
)
@click.option("--budget", default="1m", show_default=True, metavar="TIME", help="With --learn: time of each time it learns, about.")
@click.option("--curves", is_flag=True, help="Also learning curves: by events of the person and of all. Slow.")
@click.option(
    "--out", multiple=True, type=click.Path(path_type=Path, dir_okay=False), help="Also write .json, .html, .png, .svg, .pdf."
)
@click.option("--off-policy", is_flag=True, help="Estimate from the store's own answers and their propensities instead.")
@click.option(
    "--version", metavar="VERSION", help="A model version, on what came after it was learnt. Off-policy default: the blend."
)
@click.option("--places", type=int, default=5, show_default=True, help="Off-policy: first places of each answer that count.")
@click.option("--reward", default="choice", show_default=True, help="Off-policy: choice (clicked or better), or an event type.")
@click.option("--clip", type=float, help="Off-policy: greatest weight. Default: none.")
@policy_options
@common_options
def evaluate(off_policy: bool, out: tuple[Path, ...], **given: Any) -> None:
    """Measure the recommender on the store's own log, next to simple baselines.

    Learns from what came before a cut in time, foretells what people did after it, ranks the whole catalogue, and reports
    NDCG, hit, MRR, coverage, diversity and novelty with bootstrap intervals, by strata and by context. Writes nothing to
    the log.

    With --learn a model is learnt from what lies before the cut, as `occasion fit` does, once more without each part of --without,
    and for each point of --curves.

    With --off-policy: what the recommender under --policy would have earned on the answers it gave, by their propensities.

    Examples
    --------
      occasion evaluate
      occasion evaluate --share 0.2 --out report.html --out report.png
      occasion evaluate --until 2026-10-01 --slice weather --json
      occasion evaluate --without context --without taste --curves --out report.html
      occasion evaluate --learn --budget 2m --without context --without text --out report.html
      occasion evaluate --off-policy --policy greedy --places 3
    """
    invocation = current()
    _endings(out, (".json", ".html") if off_policy else ENDINGS)
    measured = _off_policy(invocation, given) if off_policy else _offline(invocation, given)
    for path in out:
        measured.write(path)
        invocation.say(f"wrote {path}")
    if invocation.json:
        invocation.emit(measured.to_dict())
    else:
        measured.show(invocation.console())


def _endings(out: tuple[Path, ...], endings: tuple[str, ...]) -> None:
    """Find out now, not after minutes of measuring, what cannot be written."""
    from occasion.errors import DataError

    for path in out:
        if path.suffix.lower() not in endings:
            raise DataError(f"a report cannot be written as {path.name!r}. Cure: a name that ends in {', '.join(endings)}.")


def _offline(invocation: Invocation, given: dict[str, Any]) -> Report:
    from occasion.cli.parameters import seconds, unix_time
    from occasion.errors import DataError
    from occasion.evaluation import evaluate as measure

    if given["policy"] or policy_settings(given) or given["clip"] is not None:
        raise DataError("a policy or a clip goes with --off-policy. Cure: add --off-policy, or leave it out.")
    settings = invocation.settings()
    names = ("share", "k", "max_queries", "seed", "diversity", "without", "curves", "version")
    chosen: dict[str, Any] = {"baselines": given["baselines"]} if given["baselines"] else {}
    if given["learn"]:
        from occasion.training import learner

        seconds_each = seconds(given["budget"], "--budget")
        chosen["learner"] = learner(budget=seconds_each, seed=given["seed"], progress=invocation.say)
    with invocation.progress() as progress:
        return measure(
            settings,
            until=unix_time(given["until"], settings.time_zone, past=True),
            slices=given["slices"] or None,
            progress=progress,
            **chosen,
            **{name: given[name] for name in names},
        )


def _off_policy(invocation: Invocation, given: dict[str, Any]) -> OffPolicyReport:
    from occasion.cli.parameters import unix_time
    from occasion.evaluation import evaluate_off_policy

    settings = invocation.settings()
    options = policy_settings(given)
    policy = given["policy"] or ("diverse" if given["diversity"] is not None else None)
    if given["diversity"] is not None:
        options["diversity"] = given["diversity"]
    with invocation.progress() as progress:
        return evaluate_off_policy(
            settings,
            version=given["version"],
            policy=policy,
            policy_options=options,
            until=unix_time(given["until"], settings.time_zone, past=True),
            places=given["places"],
            reward=given["reward"],
            clip=given["clip"],
            max_slates=given["max_queries"],
            seed=given["seed"],
            progress=progress,
        )
