"""Commands of learning: fit, versions, promote, rollback."""

from __future__ import annotations

from typing import Any

import click

from occasion.cli.documented import Documented
from occasion.cli.invocation import common_options, current

__all__ = ["fit", "promote", "rollback", "versions"]


@click.command(cls=Documented, short_help="Learn a model version from the log.")
@click.option("--budget", default="5m", show_default=True, metavar="TIME", help="Time for learning, about: 90, 90s, 5m, 1h.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of all chance.")
@click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True, help="Threads of learning.")
@click.option("--queries", type=int, default=400, show_default=True, help="Moments the gate asks at most.")
@click.option("--without", multiple=True, metavar="PART", help="Leave a part out; repeatable.")
@click.option("--no-promote", is_flag=True, help="Only make the version; do not put it into service.")
@common_options
def fit(budget: str, seed: int, threads: int, queries: int, without: tuple[str, ...], no_promote: bool) -> None:
    """Learn a model version from the store's log, and put it into service if it is not worse than what serves now.

    The gate asks for moments after a cut in time, answered from what lay before it. It is safe to stop: what is in
    service does not change before a version is whole.

    Examples
    --------
      occasion fit
      occasion fit --budget 10m --seed 1
      occasion fit --without context --no-promote --json
    """
    from dataclasses import asdict

    from occasion.fitting import fit as learn

    invocation = current()
    manifest = learn(
        settings=invocation.settings(),
        budget=_seconds(budget),
        seed=seed,
        threads=threads,
        queries=queries,
        without=without,
        promote=not no_promote,
        progress=invocation.say,
    )
    if invocation.json:
        invocation.emit(asdict(manifest))
        return
    passed = manifest.gate["passed"]
    click.echo(f"version {manifest.id}: {', '.join(manifest.parts)}; {manifest.seconds:.0f} s, {manifest.memory_mb:.0f} MB")
    for line in manifest.left_out:
        click.echo(f"  left out: {line}")
    click.echo(f"gate {'passed' if passed else 'not passed'}: {'; '.join(manifest.gate['reasons'])}")
    if passed and not no_promote:
        click.echo("it is in service now; `occasion rollback` takes it back")
    elif not no_promote:
        click.echo(f"what served before goes on serving; `occasion promote {manifest.id}` overrides the gate")


def _seconds(text: str) -> float:
    from occasion.errors import DataError

    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "s")
    try:
        return float(number) * units[unit]
    except ValueError:
        raise DataError(f"the budget is {text!r}. Cure: seconds, or a number with s, m or h, for example 5m.") from None


@click.command(cls=Documented, short_help="List the model versions.")
@common_options
def versions() -> None:
    """List the model versions, what they are worth, and which one is in service.

    Examples
    --------
      occasion versions
      occasion versions --json
    """
    from dataclasses import asdict

    from occasion.versions import Versions

    invocation = current()
    with invocation.store() as store:
        registry = Versions(store, invocation.settings().home)
        found, serving, log = registry.all(), registry.in_service(), registry.log()
    if invocation.json:
        invocation.emit({"in_service": serving, "versions": [asdict(m) for m in found], "changes": log})
        return
    from rich.table import Table

    table = Table("version", "in service", "events", "NDCG@10", "before", "gate", "seconds")
    for m in found:
        figures: dict[str, Any] = m.metrics.get("all", {})
        ndcg, before = (_interval(figures.get(name)) for name in ("ndcg", "ndcg_before"))
        gate = "passed" if m.gate.get("passed") else "not passed"
        table.add_row(
            m.id, "yes" if m.id == serving else "", f"{m.data.get('events', 0):,}", ndcg, before, gate, f"{m.seconds:.0f}"
        )
    invocation.console().print(table)
    if serving == "blend":
        invocation.say("the untrained blend is in service" + ("" if found else "; `occasion fit` makes a version"))


def _interval(figure: list[float] | None) -> str:
    return f"{figure[0]:.4f} ({figure[1]:.4f} to {figure[2]:.4f})" if figure else "-"


@click.command(cls=Documented, short_help="Put a version into service.")
@click.argument("version")
@common_options
def promote(version: str) -> None:
    """Put a version into service, "blend" for the untrained blend. Running services take it over without a restart.

    Examples
    --------
      occasion promote 20261124-101500-4f2a
      occasion promote blend
    """
    from occasion.versions import Versions

    invocation = current()
    with invocation.store() as store:
        before = Versions(store, invocation.settings().home).promote(version)
    _changed(before, version)


@click.command(cls=Documented, short_help="Put the version before back into service.")
@common_options
def rollback() -> None:
    """Put the version back into service that was there before the present one.

    Examples
    --------
      occasion rollback
    """
    from occasion.versions import Versions

    invocation = current()
    with invocation.store() as store:
        registry = Versions(store, invocation.settings().home)
        before = registry.in_service()
        version = registry.rollback()
    _changed(before, version)


def _changed(before: str, version: str) -> None:
    invocation = current()
    if invocation.json:
        invocation.emit({"in_service": version, "before": before})
    else:
        click.echo(f"{version} is in service, before it was {before}")
