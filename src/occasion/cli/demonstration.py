"""The command that shows the main job on real data: demo."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from occasion.cli.documented import Documented
from occasion.cli.invocation import Invocation, common_options, current

if TYPE_CHECKING:
    from rich.console import Console

    from occasion.data import Slate
    from occasion.demo.scenes import Scene, Textbook
    from occasion.recommender import Recommender

__all__ = ["demo"]

LENGTH = 6
"""Items shown for a moment."""


@click.command(cls=Documented, short_help="Show the main job on real groceries, in one go.")
@click.option("--time-limit", type=float, help="Fail if it takes longer, in seconds; for automatic checks.")
@common_options
def demo(time_limit: float | None) -> None:
    """Show the main job on real groceries: moments, reasons, feedback, and the textbook's example.

    Works in a temporary folder that is removed at the end. With --home everything stays there, to go on with by hand.

    Examples
    --------
      occasion demo
      occasion demo --home groceries
    """
    invocation, begun = current(), time.monotonic()
    with _home(invocation) as home:
        showing = Showing(invocation, home)
        showing.run()
    seconds = time.monotonic() - begun
    if invocation.json:
        invocation.emit({**showing.document, "seconds": round(seconds, 2)})
    else:
        click.echo(f"\nThe whole demo took {seconds:.1f} s." + showing.farewell())
    if time_limit is not None and seconds > time_limit:
        raise click.ClickException(f"the demo took {seconds:.1f} s, {time_limit:g} s were allowed.")


@contextmanager
def _home(invocation: Invocation) -> Iterator[Path]:
    if invocation.home is not None:
        yield invocation.home
        return
    with tempfile.TemporaryDirectory(prefix="occasion-demo-") as folder:
        yield Path(folder)


class Showing:
    """The demo's chapters; collects what a JSON reader gets while it shows the rest."""

    def __init__(self, invocation: Invocation, home: Path) -> None:
        from rich.console import Console

        self.invocation, self.home = invocation, home
        self.console: Console = Console(quiet=True) if invocation.json else invocation.console()
        self.document: dict[str, Any] = {"moments": []}

    def run(self) -> None:
        """Show all chapters."""
        from occasion.demo.dataset import COUNTRY, TIME_ZONE
        from occasion.demo.scenes import SCENES, TEXTBOOK

        settings = {"home": self.home, "time_zone": TIME_ZONE, "country": COUNTRY}
        with self._recommender(settings) as recommender:
            self._load(recommender)
            for scene in SCENES:
                self._moment(recommender, scene)
            self._what_if(recommender, SCENES[1], SCENES[2])
            self._feedback(recommender, SCENES[1])
        self.document["textbook"] = [self._textbook(example) for example in TEXTBOOK]

    @contextmanager
    def _recommender(self, settings: dict[str, Any]) -> Iterator[Recommender]:
        from occasion.recommender import Recommender
        from occasion.settings import load_settings

        with self.invocation.progress() as progress, Recommender(load_settings(**settings), progress=progress) as recommender:
            yield recommender

    def _load(self, recommender: Recommender) -> None:
        from rich.text import Text

        from occasion.demo.loading import load

        self._heading("1  Data in", "A year of groceries of 120 households (origin and terms: occasion/demo/data/SOURCE.md)")
        begun = time.monotonic()
        summary = load(recommender.store)
        for plan in summary.plans:
            told = ", ".join(f"{use.column} → {use.role}" for use in plan.columns)
            self.console.print(Text(f"{Path(plan.file).name}: {told}", style="dim"))
        counts, loaded = recommender.store.counts(), time.monotonic()
        recommender.refresh()
        self.console.print(
            f"{counts['items']:,} items, {counts['users']} users, {counts['events']:,} events imported in {loaded - begun:.1f} s; "
            f"items encoded and events counted in {time.monotonic() - loaded:.1f} s."
        )
        self.document["counts"] = counts

    def _moment(self, recommender: Recommender, scene: Scene) -> None:
        from occasion.cli.slates import document, table

        if not self.document["moments"]:
            self._heading("2  One person, several moments", self._person(recommender))
        begun = time.monotonic()
        slate = recommender.recommend(scene.context(), LENGTH)
        taken = 1000 * (time.monotonic() - begun)
        items = recommender.store.get_items(list(slate.items))
        self._said(scene.heading, slate, taken)
        self.console.print(table(slate, items))
        self.document["moments"].append({"heading": scene.heading, **document(slate, items)})

    def _person(self, recommender: Recommender) -> str:
        from occasion.demo.dataset import PERSON

        user = recommender.store.get_user(PERSON)
        known = ", ".join(f"{name} {value}" for name, value in user.attributes.items()) if user else ""
        return f"Household {PERSON} ({known}); the last purchases are from the end of December 2017."

    def _said(self, heading: str, slate: Slate, taken: float) -> None:
        from rich.text import Text

        self.console.print()
        self.console.print(Text.assemble((heading, "bold"), (f"   answered in {taken:.0f} ms", "dim")))
        self.console.print(Text(f"“{slate.sentence}”", style="italic"))

    def _what_if(self, recommender: Recommender, one: Scene, other: Scene) -> None:
        from occasion.cli.slates import compared

        self._heading("3  What if", "The same person in another moment: what moves?")
        before, after = recommender.what_if(one.context(), LENGTH, text=other.text, at=other.context().at)
        items = recommender.store.get_items([*before.items, *after.items])
        self.console.print(compared(before, after, items, titles=(one.heading, other.heading)))

    def _feedback(self, recommender: Recommender, scene: Scene) -> None:
        """A dislike of the first item and a purchase of the last, then the same question again."""
        from dataclasses import replace

        from occasion.cli.slates import compared, document, movement
        from occasion.data import Event

        context = scene.context()
        slate_id = "demo-feedback"
        before = recommender.recommend(context, LENGTH, slate_id=slate_id, keep=False)
        disliked, bought = before.items[0], before.items[-1]
        at = (context.at or 0.0) + 60
        person = str(scene.user)
        new = recommender.feedback(
            [
                Event(user=person, item=disliked, type="dislike", at=at, slate=slate_id),
                Event(user=person, item=bought, type="purchase", at=at + 1, slate=slate_id),
            ]
        )
        begun = time.monotonic()
        after = recommender.recommend(replace(context, at=at + 2), LENGTH, slate_id=slate_id, keep=False)
        taken = 1000 * (time.monotonic() - begun)
        items = recommender.store.get_items([*before.items, *after.items])
        named = f"disliked: {items[disliked].title}; bought: {items[bought].title}"
        self._heading("4  Feedback", f"{scene.heading} again. {named}. The very next answer:")
        self.console.print(compared(before, after, items, titles=("before", f"after ({taken:.0f} ms)")))
        if not new:
            self.console.print("This home has seen the demo's feedback before, so nothing is new to it.")
        self.document["feedback"] = {
            "disliked": disliked,
            "bought": bought,
            "before": document(before, items),
            "after": document(after, items),
            "moved": movement(before, after),
        }

    def _textbook(self, example: Textbook) -> dict[str, Any]:
        """The sentence against the tiny catalogue; the item that must come first is bold."""
        from rich.table import Table
        from rich.text import Text

        from occasion.data import Context
        from occasion.demo.loading import load_textbook

        if example.language == "zh":
            self._heading("5  The textbook's example", "One sentence about what was looked at, a phone among unrelated goods.")
        with self._recommender({"home": self.home / f"textbook-{example.language}"}) as recommender:
            load_textbook(recommender.store, example)
            context = Context(text=example.sentence, locale=example.language)
            slate = recommender.recommend(context, len(example.items), diversity=0.0, keep=False)
        table = Table(title=f"“{example.sentence}”", title_justify="left", title_style="italic")
        table.add_column("#", justify="right", style="dim")
        table.add_column("item")
        table.add_column("score", justify="right")
        ranked = [(example.items[int(e.item)], e.score) for e in slate.entries]
        for n, (text, score) in enumerate(ranked, 1):
            table.add_row(str(n), Text(text, style="bold" if text == example.wanted else ""), f"{score:.3f}")
        self.console.print(table)
        return {"sentence": example.sentence, "wanted": example.wanted, "ranked": [{"text": t, "score": s} for t, s in ranked]}

    def _heading(self, title: str, told: str) -> None:
        from rich.rule import Rule
        from rich.text import Text

        self.console.print()
        self.console.print(Rule(Text(title, style="bold"), align="left"))
        self.console.print(Text(told, style="dim"))

    def farewell(self) -> str:
        """Return how to go on."""
        if self.invocation.home is None:
            return " To keep its store and go on by hand: occasion demo --home groceries"
        return f' Go on with: occasion recommend --home {self.home} --user 404 --at 2018-01-06T20:00 --text "..."'
