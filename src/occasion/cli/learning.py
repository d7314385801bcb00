"""Commands of learning: fit, versions, promote, rollback, retire."""

from __future__ import annotations

from typing import Any

import click

from occasion.cli.documented import Documented
from occasion.cli.invocation import common_options, current
from occasion.cli.parameters import megabytes, seconds

__all__ = ["fit", "promote", "retire", "rollback", "versions"]


@click.command(cls=Documented, short_help="Learn a model version from the log.")
@click.option("--budget", default="5m", show_default=True, metavar="TIME", help="Time for learning, about: 90, 90s, 5m, 1h.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of all chance.")
@click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True, help="Threads of learning.")
@click.option("--memory", metavar="SIZE", help="Memory that it may take: 4g, 1500m. Default: what there is.")
@click.option("--queries", type=int, default=400, show_default=True, help="Moments the gate asks at most.")
@click.option("--without", multiple=True, metavar="PART", help="Leave a part out, for example sequence; repeatable.")
@click.option("--no-promote", is_flag=True, help="Only make the version; do not put it into service.")
@common_options
def fit(budget: str, seed: int, threads: int, memory: str | None, queries: int, without: tuple[str, ...], no_promote: bool) -> None:
    """Learn a model version from the store's log, and put it into service if it is not worse than what serves now.

    The gate asks for moments after a cut in time, answered from what lay before it. It is safe to stop: what is in
    service does not change before a version is whole.

    Examples
    --------
      occasion fit
      occasion fit --budget 10m --seed 1 --memory 4g
      occasion fit --without context --no-promote --json
    """
    from dataclasses import asdict

    from occasion.training import fit as learn

    invocation = current()
    manifest = learn(
        settings=invocation.settings(),
        budget=seconds(budget, "--budget"),
        seed=seed,
        threads=threads,
        memory=None if memory is None else megabytes(memory, "--memory"),
        queries=queries,
        without=without,
        promote=not no_promote,
        progress=invocation.say,
    )
    if invocation.json:
        invocation.emit(asdict(manifest))
        return
    passed, rated = manifest.gate["passed"], manifest.ratings
    click.echo(f"version {manifest.id}: {', '.join(manifest.parts)}; {manifest.seconds:.0f} s, {manifest.memory_mb:.0f} MB")
    for line in manifest.left_out:
        click.echo(f"  left out: {line}")
    if rated.get("judged"):
        said = "used" if rated["used"] else "left out"
        click.echo(f"ratings {said}: error {rated['rmse']} on {rated['n']} newer ones, {rated['rmse_means']} by plain means")
    click.echo(f"gate {'passed' if passed else 'not passed'}: {'; '.join(manifest.gate['reasons'])}")
    if passed and not no_promote:
        click.echo("it is in service now; `occasion rollback` takes it back")
    elif not no_promote:
        click.echo(f"what served before goes on serving; `occasion promote {manifest.id}` overrides the gate")


@click.command(cls=Documented, short_help="List the model versions.")
@click.option("--live", is_flag=True, help="Compare what people do with its answers with the version before instead.")
@common_options
def versions(live: bool) -> None:
    """List the model versions, what they are worth, and which one is in service.

    Examples
    --------
      occasion versions
      occasion versions --live
    """
    from dataclasses import asdict

    from occasion.versions import Versions

    invocation = current()
    if live:
        _live(rollback=False)
        return
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
@click.option("--if-worse", is_flag=True, help="Only where people surely do less with the answers of the present one.")
@common_options
def rollback(if_worse: bool) -> None:
    """Put the version back into service that was there before the present one.

    Examples
    --------
      occasion rollback
      occasion rollback --if-worse
    """
    from occasion.versions import Versions

    invocation = current()
    if if_worse:
        _live(rollback=True)
        return
    with invocation.store() as store:
        registry = Versions(store, invocation.settings().home)
        before = registry.in_service()
        version = registry.rollback()
    _changed(before, version)


@click.command(cls=Documented, short_help="Delete a version that no longer serves.")
@click.argument("version")
@common_options
def retire(version: str) -> None:
    """Delete a version's files. One that is in service is refused: promote another one first.

    Versions that learnt from people who were erased later are named by `occasion privacy receipts`.

    Examples
    --------
      occasion retire 20261124-101500-4f2a
    """
    from occasion.privacy.erasure import retire as remove

    invocation = current()
    with invocation.store() as store:
        remove(store, invocation.settings(), version)
    if invocation.json:
        invocation.emit({"retired": version})
    else:
        click.echo(f"{version} is gone")


def _changed(before: str, version: str) -> None:
    invocation = current()
    if invocation.json:
        invocation.emit({"in_service": version, "before": before})
    else:
        click.echo(f"{version} is in service, before it was {before}")


def _live(*, rollback: bool) -> None:
    """Tell what live feedback says of the version in service, and act on it where that was asked for."""
    from occasion.training import live_feedback, roll_back_if_worse

    invocation = current()
    settings = invocation.settings()
    with invocation.store() as store:
        found = roll_back_if_worse(store, settings, actor="command line") if rollback else live_feedback(store, settings)
    if invocation.json:
        invocation.emit(None if found is None else found.to_dict())
    elif found is None:
        click.echo("nothing to compare: the untrained blend serves, or a version that was put back")
    else:
        click.echo(f"{found.version} is {found.reason}" if found.difference else f"{found.version}: {found.reason}")
        if found.rolled_back_to:
            click.echo(f"{found.rolled_back_to} is in service, before it was {found.version}")
