"""The command that foretells ratings: rate."""

from __future__ import annotations

import click

from occasion.cli.documented import Documented
from occasion.cli.invocation import common_options, current

__all__ = ["rate"]


@click.command(cls=Documented, short_help="Foretell what somebody would rate items.")
@click.argument("items", nargs=-1, required=True, metavar="ITEM...")
@click.option("--user", help="Who rates.")
@click.option("--at", metavar="TIME", help="When. Default: now.")
@click.option("--signal", "signals", multiple=True, metavar="NAME=VALUE", help="A signal of the situation; repeatable.")
@common_options
def rate(items: tuple[str, ...], user: str | None, at: str | None, signals: tuple[str, ...]) -> None:
    """Foretell what somebody would rate each ITEM in a situation, on the scale of the log's own ratings.

    It needs a version in service that learnt from ratings: `occasion fit` makes one where the log has a few hundred of them.

    Examples
    --------
      occasion rate 727 706 --user 1033 --signal weather=sunny
    """
    from occasion.cli.parameters import named_values, unix_time
    from occasion.data import Context
    from occasion.errors import NotFoundError

    invocation = current()
    with invocation.recommender() as recommender:
        zone = recommender.settings.time_zone
        context = Context(user=user, at=unix_time(at, zone), signals=named_values(signals, "--signal"))
        found = recommender.rate(context, items)
    missing = [item for item in items if item not in found]
    if missing:
        raise NotFoundError(f"there is no item {missing[0]!r}. Cure: check the id, or import the item first.")
    if invocation.json:
        invocation.emit(found)
        return
    for item, rating in found.items():
        click.echo(f"{rating:.2f}  {item}")
