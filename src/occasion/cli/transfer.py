"""Commands that move data: import, export, and doctor, which looks at what is there."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from occasion.cli.documented import Documented
from occasion.cli.failures import REJECTED
from occasion.cli.invocation import Invocation, common_options, current

if TYPE_CHECKING:
    from occasion.importing import FilePlan, ImportSummary

__all__ = ["doctor", "export", "import_command"]

FILE_FORMATS = ("auto", "csv", "tsv", "jsonl", "parquet", "atomic")
EXPORT_FORMATS = ("jsonl", "csv", "parquet")


@click.command("import", cls=Documented, short_help="Import items, users and events from files.")
@click.argument("files", nargs=-1, required=True)
@click.option(
    "--kind",
    type=click.Choice(["auto", "consents", "items", "users", "events", "slates"]),
    default="auto",
    show_default=True,
    help="What the files hold.",
)
@click.option(
    "--map", "mapping", multiple=True, metavar="ROLE=COLUMN", help="What a column is, where the guess is wrong; repeatable."
)
@click.option("--format", "form", type=click.Choice(FILE_FORMATS), default="auto", show_default=True, help="Of all files.")
@click.option("--event-type", metavar="TYPE", help="Type of events whose row names none.")
@click.option("--names", metavar="A,B", help="Column names of files without a header line.")
@click.option("--time-zone", metavar="ZONE", help="Zone of times written without one. Default: the settings'.")
@click.option("--rejects", type=click.Path(path_type=Path, dir_okay=False), help="Where rejected rows go. Default: in the home.")
@click.option("--allow-rejects", is_flag=True, help="Exit with 0 even if rows were rejected.")
@click.option("--validate-only", is_flag=True, help="Read and check everything, write nothing.")
@click.option("--plan", is_flag=True, help="Only say how the files are understood.")
@common_options
def import_command(files: tuple[str, ...], plan: bool, allow_rejects: bool, **given: Any) -> None:
    """Import items, users and events from FILES: CSV, TSV, JSONL, Parquet or RecBole atomic files.

    FILES may be patterns in quotes, and - reads standard input. Columns are guessed and told; --map puts a wrong guess right.
    Importing twice changes nothing, and an import that was stopped goes on when it is run again. Rejected rows are written
    to a file with line, column, value and reason; the exit code is then 6, unless --allow-rejects. A row with a signal
    that cannot be, such as a latitude of 131, is taken; the signal counts for nothing, which is told.

    Roles of --map: item, user, session, type, value, at, text, slate, id; purpose, granted; text.NAME, attributes.NAME,
    signals.NAME, categories, price, available_from, available_until, media.KIND; ignored.

    Examples
    --------
      occasion import items.csv events.csv
      occasion import 'log/2026-*.parquet' --kind events --event-type purchase
      occasion import shop.csv --map id=sku --map text.title=produktname --plan
      zcat events.jsonl.gz | occasion import - --kind events
    """
    from occasion.cli.parameters import named_values

    invocation = current()
    settings = invocation.settings()
    options: dict[str, Any] = {
        "kind": given["kind"],
        "mapping": {role: str(column) for role, column in named_values(given["mapping"], "--map", "id=sku").items()},
        "format": given["form"],
        "event_type": given["event_type"],
        "names": [n.strip() for n in given["names"].split(",")] if given["names"] else None,
    }
    if plan:
        from occasion.importing import plan_files

        _show_plans(invocation, plan_files(list(files), **options))
        return
    options |= {
        "time_zone": given["time_zone"] or settings.time_zone,
        "rejects": given["rejects"] or settings.home / "rejects.jsonl",
        "validate_only": given["validate_only"],
    }
    summary = _run(invocation, list(files), options)
    _show_summary(invocation, summary)
    if summary.rejections and not allow_rejects:
        raise click.exceptions.Exit(REJECTED)


def _run(invocation: Invocation, files: list[str], options: dict[str, Any]) -> ImportSummary:
    from occasion.importing import import_files

    with invocation.progress() as show:
        told = None if show is None else lambda done, total: show("bytes", done, total)
        if options["validate_only"]:
            return import_files(None, files, progress=told, **options)
        with invocation.store() as store:
            return import_files(store, files, progress=told, **options)


def _show_plans(invocation: Invocation, plans: list[FilePlan]) -> None:
    if invocation.json:
        invocation.emit({"files": [asdict(plan) for plan in plans]})
        return
    for plan in plans:
        first, *rest = plan.sentences()
        click.echo("\n  ".join((first, *rest)))


def _show_summary(invocation: Invocation, summary: ImportSummary) -> None:
    if invocation.json:
        invocation.emit(
            {
                **summary.counts(),
                "resumed": summary.resumed,
                "seconds": round(summary.seconds, 2),
                "validate_only": summary.validate_only,
                "rejects_file": summary.rejects_file if summary.rejections else None,
                "examples": [asdict(row) for row in summary.examples],
                "warnings": [asdict(row) for row in summary.warnings],
                "files": [asdict(plan) for plan in summary.plans],
            }
        )
        return
    if not invocation.quiet:
        for plan in summary.plans:
            invocation.say("\n  ".join(plan.sentences()))
    for row in summary.examples[:5]:
        where = f", column {row.column}" if row.column else ""
        invocation.say(f"rejected: {row.file}, line {row.line}{where}: {row.reason}: {row.value!r}")
    for warned in summary.warnings[:5]:
        invocation.say(f"warning: {warned.sentence()}")
    click.echo(summary.sentence())


@click.command(cls=Documented, short_help="Say what is odd in the data, and what to do.")
@click.option("--strict", is_flag=True, help="Exit with 1 if an error was found, not only with words.")
@common_options
def doctor(strict: bool) -> None:
    """Look at the data and say what is odd, how much of it, and what to do.

    Duplicates, times in the future, people with impossible rates, items without text, pictures that cannot be read, skew,
    cold items, and more.

    Examples
    --------
      occasion doctor
      occasion doctor --json --strict
    """
    import time

    from occasion.doctor import examine
    from occasion.pictures.collection import picture_trouble

    invocation = current()
    settings = invocation.settings()
    with invocation.store() as store:
        found = examine(store, time.time(), settings.granted_by_default, pictures=picture_trouble(settings))
    if invocation.json:
        invocation.emit({"findings": [asdict(finding) for finding in found]})
    else:
        _show_findings(invocation, found)
    if strict and any(finding.severity == "error" for finding in found):
        raise click.exceptions.Exit(1)


def _show_findings(invocation: Invocation, found: list[Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    if not found:
        click.echo("Nothing odd was found.")
        return
    colours = {"error": "bold red", "warning": "yellow", "info": "dim"}
    table = Table(show_lines=True)
    for name in ("", "found", "for example", "what to do"):
        table.add_column(name, overflow="fold")
    for finding in found:
        examples = ", ".join(finding.examples[:3])
        cells = (finding.message, examples, finding.cure)
        table.add_row(Text(finding.severity, style=colours[finding.severity]), *(Text(cell) for cell in cells))
    invocation.console().print(table)


@click.command(cls=Documented, short_help="Write items, users, events, answers and choices into a folder.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--format", "form", type=click.Choice(EXPORT_FORMATS), default="jsonl", show_default=True, help="Of the files.")
@click.option("--overwrite", is_flag=True, help="Replace the files of an earlier export.")
@common_options
def export(folder: Path, form: str, overwrite: bool) -> None:
    """Write the items, users, events and slates of the store, and the choices of people, into FOLDER.

    `occasion import` reads the files back. Scenarios, receipts and versions are in a backup alone.

    Examples
    --------
      occasion export backup
      occasion export backup --format parquet --overwrite
    """
    from occasion.exporting import export as write

    invocation = current()
    with invocation.store() as store, invocation.progress() as show:
        told = None if show is None else lambda done, total: show("rows", done, total)
        written = write(store, folder, form, overwrite=overwrite, progress=told)
    if invocation.json:
        invocation.emit({"folder": str(folder), "rows": dict(written.rows), "files": [str(path) for path in written.files]})
        return
    click.echo(f"wrote {', '.join(f'{number:,} {kind}' for kind, number in written.rows.items())} to {folder}")
