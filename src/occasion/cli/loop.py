"""The command that learns for as long as it runs: learn."""

from __future__ import annotations

import signal
import threading
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from occasion.cli.documented import Documented
from occasion.cli.invocation import Invocation, common_options, current
from occasion.cli.parameters import megabytes, seconds

if TYPE_CHECKING:
    from occasion.training import Decision

__all__ = ["learn"]


@click.command(cls=Documented, short_help="Go on learning: fit, gate, promote, roll back.")
@click.option("--once", is_flag=True, help="Look once, learn if it is time to, and end.")
@click.option("--events", type=int, help="New events that a fit waits for. Default: the setting learn_events.")
@click.option("--share", type=float, help="The same as a share of those learnt from. Default: the setting learn_share.")
@click.option("--every", metavar="TIME", help="Least time between two fits, for example 30m. Default: the setting learn_minutes.")
@click.option("--budget", metavar="TIME", help="Time of a fit, about. Default: the setting learn_budget.")
@click.option("--poll", default="30s", show_default=True, metavar="TIME", help="Time between two looks at the log.")
@click.option("--settle", default="30m", show_default=True, metavar="TIME", help="Time that people have to react to an answer.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of all chance.")
@click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True, help="Threads of learning.")
@click.option("--memory", metavar="SIZE", help="Memory that a fit may take: 4g, 1500m. Default: what there is.")
@click.option("--queries", type=int, default=400, show_default=True, help="Moments the gate asks at most.")
@click.option("--without", multiple=True, metavar="PART", help="Leave a part out, for example sequence; repeatable.")
@common_options
def learn(once: bool, every: str | None, budget: str | None, poll: str, settle: str, memory: str | None, **given: Any) -> None:
    """Watch the log; when enough is new, learn a version, and put it into service if it is not worse than what serves.

    It also looks at what people do with the answers of the version in service. Where that is surely less than with those of
    the version before, that one comes back.

    It goes on until Ctrl-C or SIGTERM, which change nothing that serves; what it decided stands in the store, and it goes on
    from there at the next start. With --json each decision is one line.

    Examples
    --------
      occasion learn
      occasion learn --events 500 --every 30m --budget 3m
      occasion learn --once
    """
    from occasion.training import LoopOptions
    from occasion.training import learn as run

    invocation = current()
    settings = invocation.settings()
    options = LoopOptions.of(
        settings,
        minutes=None if every is None else seconds(every, "--every") / 60,
        budget=None if budget is None else seconds(budget, "--budget"),
        poll=seconds(poll, "--poll"),
        settle=seconds(settle, "--settle"),
        memory=None if memory is None else megabytes(memory, "--memory"),
        **given,
    )
    stop = threading.Event()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        run(settings, options=options, once=once, stop=stop, told=lambda d: _tell(invocation, d), progress=invocation.say)
        return
    invocation.say("stopped; what serves is untouched. `occasion learn` goes on from here.")


def _tell(invocation: Invocation, decision: Decision) -> None:
    import json
    from datetime import UTC, datetime

    if invocation.json:
        click.echo(json.dumps(asdict(decision), ensure_ascii=False))
        return
    at = datetime.fromtimestamp(decision.at, UTC).isoformat(timespec="seconds")
    click.echo(f"{at} {decision.act}{f' {decision.version}' if decision.version else ''}: {decision.why}")
