"""Commands of upkeep: index and info."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from occasion.cli.documented import Documented
from occasion.cli.invocation import common_options, current

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["index", "info"]


@click.command(cls=Documented, short_help="Encode items ahead of the first answer.")
@click.option("--force", is_flag=True, help="Throw away everything derived (vectors, index, counts) and build it anew.")
@click.option("--reencode", is_flag=True, help="Accept that the encoder changed, and encode every item anew.")
@common_options
def index(force: bool, reencode: bool) -> None:
    """Encode items and build what answers need, ahead of the first answer.

    Where pictures are looked at (`image_encoder`), all their files are looked at again: new, changed and missing ones are noticed.

    It is safe to stop: vectors already made are kept, and the next run goes on from there. Without it the first
    `recommend` does the same work.

    Examples
    --------
      occasion index
      OCCASION_ENCODER=minilm occasion index --reencode
    """
    import time

    invocation, begun = current(), time.monotonic()
    with invocation.recommender(rebuild=force, reencode=reencode, look_again=True) as recommender:
        live = recommender.live
        facts: dict[str, Any] = {
            "items": live.catalogue.size,
            "events": recommender.store.counts()["events"],
            "encoder": recommender.encoder.version,
            "dim": recommender.encoder.dim,
            "index": type(live.index).__name__ if live.index is not None else None,
            "seconds": round(time.monotonic() - begun, 2),
        }
        if live.pictures is not None:
            facts["pictures"] = live.pictures.told() | {"named_by_picture": live.wording.filled}
    if invocation.json:
        invocation.emit(facts)
        return
    click.echo(
        f"{facts['items']} items ready ({facts['encoder']}, {facts['dim']} dimensions), {facts['events']} events counted, "
        f"{facts['seconds']} s"
    )
    if "pictures" in facts:
        click.echo(_pictures(facts["pictures"]))


def _pictures(told: dict[str, Any]) -> str:
    """Return in one sentence what became of the items' pictures."""
    trouble = ", ".join(f"{number} {kind}" for kind, number in told["trouble"].items())
    found = f"{told['items']} items with a picture ({told['encoder']})"
    found += f", {told['named_by_picture']} without text found by it" if told["named_by_picture"] else ""
    return found + (f"; pictures that could not be read: {trouble} (`occasion doctor` names them)" if trouble else "")


@click.command(cls=Documented, short_help="Show what the store holds and where.")
@common_options
def info() -> None:
    """Show what the store holds and where.

    Examples
    --------
      occasion info
      occasion info --home /var/lib/occasion --json
    """
    from importlib.metadata import version

    from occasion.cli.parameters import without_password
    from occasion.versions import Versions

    invocation = current()
    settings = invocation.settings()
    with invocation.store() as store:
        counts, encoder = store.counts(), store.get_state("encoder")
        serving = Versions(store, settings.home).in_service()
    facts = {
        "version": version("occasion"),
        "home": str(settings.home.resolve()),
        "store": without_password(settings.resolved_store_url),
        "counts": counts,
        "in_service": serving,
        "encoder": {"configured": settings.encoder, "of_the_vectors": encoder},
        "bytes": {"home": _size(settings.home), "derived": _size(settings.home / "derived")},
    }
    if invocation.json:
        invocation.emit(facts)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False, box=None)
    for name, value in _flat(facts):
        table.add_row(Text(name, style="dim"), Text(value))
    invocation.console().print(table)
    if not counts.get("items"):
        invocation.say("note: the catalogue is empty. Cure: `occasion import items.csv`, or `occasion demo` to look around.")


def _flat(facts: dict[str, Any]) -> list[tuple[str, str]]:
    out = []
    for name, value in facts.items():
        if name == "bytes":
            out += [(f"{key} on disk", f"{size / 1e6:.1f} MB") for key, size in value.items()]
        elif name == "counts":
            out += [(key, f"{number:,}") for key, number in value.items()]
        elif name == "encoder":
            out += [("encoder", value["configured"]), ("encoder of the vectors", value["of_the_vectors"] or "none yet")]
        else:
            out.append((name.replace("_", " "), str(value)))
    return out


def _size(folder: Path) -> int:
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) if folder.is_dir() else 0
