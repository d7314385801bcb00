"""The commands that make language models learn: tune and distill."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from occasion.cli.documented import Documented
from occasion.cli.invocation import common_options, current

if TYPE_CHECKING:
    from collections.abc import Callable

    from occasion.tuning import TuneReport

__all__ = ["distill", "tune"]


@click.command(cls=Documented, short_help="Fine-tune the language model on the store's log.")
@click.option("--base", default="minilm", show_default=True, help="minilm, a tuned model's name, a folder, or a hub id.")
@click.option("--name", default="tuned", show_default=True, help="Folder of the result under <home>/encoders.")
@click.option("--budget", metavar="TIME", help="Time for everything, such as 10m. Default: no limit.")
@click.option("--objective", type=click.Choice(["soft", "pairs"]), default="soft", show_default=True, help="What is learnt.")
@click.option(
    "--method", type=click.Choice(["words", "full", "lora"]), default="words", show_default=True,
    help="Vectors of words beside the model, weights of the model, or additions to them.",
)  # fmt: skip
@click.option("--layers", type=int, default=3, show_default=True, help="Only so many top layers learn; 0: all.")
@click.option("--rank", type=int, default=16, show_default=True, help="Of low-rank additions.")
@click.option("--epochs", type=int, default=8, show_default=True, help="Passes over the lessons at most.")
@click.option("--batch", type=int, default=0, help="Lessons a step. Default: up to 256 for words, 64 for others.")
@click.option("--patience", type=int, default=4, show_default=True, help="Checks without gain after which it stops.")
@click.option("--max-tokens", type=int, default=48, show_default=True, help="Tokens of a text that are read.")
@click.option("--tau", type=float, default=0.1, show_default=True, help="Temperature of the softmax.")
@click.option("--rate", type=float, default=0.0, help="Highest learning rate. Default: 2e-3 for words, 3e-5, for lora 3e-4.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="Where it learns.")
@click.option("--processes", type=int, help="How many learn together. Default: one for each CUDA device; without any, one.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of all chance.")
@common_options
def tune(budget: str | None, **options: Any) -> None:
    """Fine-tune the language model on what people did, and show what it brought.

    Words of the catalogue learn vectors beside the model, or the model itself learns (--method full or lora), which items go
    together. The newest events, and a tenth of the items, are kept from it; on those it is compared with what it was before.
    Nothing in service changes. A network that was stopped goes on from its last checkpoint when the same command is run again.
    Needs the extra tune.

    Examples
    --------
      occasion tune --budget 15m
      occasion tune --base sentence-transformers/all-MiniLM-L6-v2 --method lora --layers 0
      OCCASION_ENCODER=onnx:.occasion/encoders/tuned occasion index --reencode
    """
    from occasion.tuning import TuneOptions
    from occasion.tuning import tune as run

    report = _ran(run, TuneOptions(budget=_span(budget), **options))
    if report is None:
        return
    _show(report, ("untuned", "tuned"))
    click.echo(f"{100 * report.mixture:.0f} % tuned and {100 - 100 * report.mixture:.0f} % base weights, {_took(report)}")
    _next_step(report)


@click.command(cls=Documented, short_help="Make a very cheap static copy of a language model.")
@click.option("--teacher", default="tuned", show_default=True, help="A tuned model's name, minilm, a folder, or a hub id.")
@click.option("--name", default="student", show_default=True, help="Folder of the result under <home>/encoders.")
@click.option("--budget", metavar="TIME", help="Time for learning, such as 5m. Default: no limit.")
@click.option("--dim", type=int, default=256, show_default=True, help="Length of its vectors at most.")
@click.option("--epochs", type=int, default=20, show_default=True, help="Passes over the items' texts.")
@click.option("--max-tokens", type=int, default=48, show_default=True, help="Tokens of a text that are read.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of all chance.")
@common_options
def distill(budget: str | None, **options: Any) -> None:
    """Make a static student of a language model: one vector a token, served by numpy alone.

    It learns from the texts of the store's items to give the teacher's vectors. What it loses in quality and gains in speed
    is measured and shown. Needs the extra tune; serving the student does not.

    Examples
    --------
      occasion distill
      occasion distill --teacher minilm --name cheap --dim 128
      OCCASION_ENCODER=static:.occasion/encoders/student occasion index --reencode
    """
    from occasion.tuning import DistillOptions
    from occasion.tuning import distill as run

    report = _ran(run, DistillOptions(budget=_span(budget), **options))
    if report is None:
        return
    _show(report, ("teacher", "student"))
    speed, fidelity = report.manifest["speed"], report.manifest["fidelity"]
    click.echo(f"{speed['teacher ms']:.2f} to {speed['student ms']:.3f} ms a text ({speed['times as fast']:.0f} times as fast)")
    size = report.manifest["bytes"] / 1e6
    click.echo(f"cosine to the teacher {fidelity['cosine']:.3f} on texts held out; {size:.1f} MB; {_took(report)}")
    _next_step(report)


def _span(budget: str | None) -> float | None:
    from occasion.cli.parameters import seconds

    return None if budget is None else seconds(budget, "--budget")


def _ran(run: Callable[..., TuneReport], options: Any) -> TuneReport | None:
    """Run tune or distill on the store; return what it reports, None where that is written as JSON already."""
    # Some libraries draw bars of their own past every switch they have.
    os.environ.setdefault("TQDM_DISABLE", "1")
    invocation = current()
    with invocation.store() as store, invocation.progress() as progress:
        report = run(store, options, settings=invocation.settings(), progress=progress)
    if invocation.json:
        invocation.emit(report.manifest)
        return None
    return report


def _took(report: TuneReport) -> str:
    return f"{report.manifest['seconds']:.0f} s"


def _show(report: TuneReport, names: tuple[str, str]) -> None:
    """Print the table of before and after, and the notes."""
    from rich.table import Table

    if report.figures:
        table = Table(title="The next item by text alone, questions held out (95 % interval over people)")
        for heading in ("answers", "questions", *(f"ndcg@10 {n}" for n in names), "gain", *(f"hit@10 {n}" for n in names)):
            table.add_column(heading, justify="left" if heading == "answers" else "right")
        for name, row in report.figures.items():
            gain = f"{row['ndcg_gain']:+.4f} ({row['ndcg_gain_low']:+.4f} to {row['ndcg_gain_high']:+.4f})"
            values = [f"{row[m]:.4f}" for m in ("ndcg_before", "ndcg_after", "hit_before", "hit_after")]
            table.add_row(name, f"{row['questions']:.0f}", *values[:2], gain, *values[2:])
        current().console().print(table)
    for note in report.notes:
        click.echo(note)


def _next_step(report: TuneReport) -> None:
    click.echo(f"To serve it: OCCASION_ENCODER='{report.spec}' occasion index --reencode")
