"""Commands of backups: backup and restore."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from occasion.cli.documented import Documented
from occasion.cli.invocation import common_options, current

if TYPE_CHECKING:
    from occasion.backup.archive import Contents

__all__ = ["backup", "restore"]


@click.command(cls=Documented, short_help="Write the home and its tenants into one file, while a service runs.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option("--without-key", is_flag=True, help="Leave out home.key, the secret behind pseudonyms and receipts.")
@common_options
def backup(file: Path, force: bool, without_key: bool) -> None:
    """Write the home and its tenants into FILE, while a service reads and writes; compressed if FILE ends with .gz.

    In it: stores, keys of the service (hashes), home.key, model versions, tuned encoders. Not in it: derived files, imports and
    rejected rows, secrets of the environment, occasion.toml (the settings in force are noted down). It holds people's data.

    Examples
    --------
      occasion backup /backups/shop-2026-11-24.tar.gz
      occasion backup shop.tar --without-key --json
    """
    from occasion.backup import back_up

    invocation = current()
    with invocation.progress() as show:
        told = None if show is None else lambda done, total: show("bytes", done, total)
        done = back_up(invocation.settings(), file, force=force, with_key=not without_key, progress=told)
    if invocation.json:
        facts = {"file": str(done.path), "bytes": done.size, "seconds": done.seconds, "left_out": done.left_out}
        invocation.emit({**facts, **_facts(done.contents)})
        return
    click.echo(f"wrote {_sentence(done.contents)} to {done.path} ({done.size / 1e6:.1f} MB, {done.seconds:.1f} s)")
    invocation.say(f"not in it: {', '.join(done.left_out)}")


@click.command(cls=Documented, short_help="Check a backup, and put it into the home.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Also where the home holds something; that is kept beside.")
@click.option("--check", is_flag=True, help="Check the backup as a whole; change nothing.")
@click.option(
    "--receipts",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Receipts (`occasion privacy receipts --json`) of erasures since, where the home is lost.",
)
@common_options
def restore(file: Path, force: bool, check: bool, receipts: Path | None) -> None:
    """Check FILE, and put it into the home. Stop the service first; what holds a store open is found and refused.

    Hashes, structure, counts and events are compared before anything is changed and again afterwards. People who were erased since
    the backup are erased again, choices made since hold on, and keys revoked since stay so. Stopped in the middle, run it again.

    Examples
    --------
      occasion restore shop.tar --check
      occasion restore shop.tar --home restored
      occasion restore shop.tar --force
    """
    from occasion.backup import restore as put_back

    invocation = current()
    with invocation.progress() as show:
        told = None if show is None else lambda done, total: show("bytes", done, total)
        done = put_back(
            invocation.settings(),
            file,
            force=force,
            check_only=check,
            receipts=_receipts(receipts) if receipts else (),
            progress=told,
        )
    facts = {"restored": not check, "aside": done.aside, "erased_again": done.erased_again, "choices_kept": done.choices}
    facts |= {"strange_receipts": done.strange, "keys_revoked": done.keys_revoked, "keys_back": done.keys_back}
    if invocation.json:
        invocation.emit({**facts, "settings_differ": done.differences, "seconds": done.seconds, **_facts(done.contents)})
        return
    click.echo(f"{'good' if check else 'restored'}: {_sentence(done.contents)} ({done.seconds:.1f} s)")
    if done.erased_again:
        click.echo(f"erased again: {done.erased_again} of the backup who were erased since")
    if done.keys_revoked:
        click.echo(f"revoked again: {done.keys_revoked} keys of the backup that were revoked since")
    if done.keys_back:
        invocation.say(f"note: {done.keys_back} keys of the backup are good that were not known here; see `occasion keys list`")
    if done.strange:
        invocation.say(f"note: {done.strange} of the receipts are of no home of this backup; they were left aside")
    if done.aside:
        invocation.say(f"what was there is kept as {', '.join(done.aside)}; it holds people's data, so delete it in time")
    for name, (then, now) in done.differences.items():
        invocation.say(f"note: {name} was {then!r} when the backup was made, now it is {now!r}")


def _receipts(path: Path) -> list[dict[str, Any]]:
    from occasion.errors import DataError
    from occasion.privacy.receipts import parsed

    try:
        document = json.loads(path.read_text("utf-8"))
        found = document.get("receipts", [document])
        return [parsed(json.dumps(receipt)) for receipt in found]
    except (OSError, ValueError, AttributeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} holds no receipts. Cure: what `occasion privacy receipts --json` wrote.") from None


def _facts(contents: Contents) -> dict[str, Any]:
    return {"made_at": contents.made_at, "occasion": contents.occasion, "stores": contents.stores, "files": len(contents.files)}


def _sentence(contents: Contents) -> str:
    counts = [state["counts"] for state in contents.stores.values()]
    sums = {name: sum(count[name] for count in counts) for name in ("items", "users", "events", "slates")}
    tenants = f", {len(counts)} homes" if len(counts) > 1 else ""
    return f"{sums['items']:,} items, {sums['users']:,} users, {sums['events']:,} events, {sums['slates']:,} answers{tenants}"
