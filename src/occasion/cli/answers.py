"""Commands that answer: recommend and similar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from occasion.cli.choices import policy_options, policy_settings
from occasion.cli.documented import Documented
from occasion.cli.invocation import Invocation, common_options, current

if TYPE_CHECKING:
    from occasion.data import Context, Slate
    from occasion.recommender import Recommender
    from occasion.rules import Boost, Quota, Rules

__all__ = ["recommend", "similar"]


def rule_options(command: Any) -> Any:
    """Give a command the options that make `occasion.rules.Rules`, and those of showing."""
    options = (
        click.option("--k", "-k", type=int, help="Items wanted, 1 to 10,000. Default: 10."),
        click.option("--filter", "filter_text", help="Only items that pass, e.g. 'price < 20 and brand in (Acme, Best)'."),
        click.option("--exclude", multiple=True, metavar="ID", help="An item that must not appear; repeatable."),
        click.option("--pin", multiple=True, metavar="ID=PLACE", help="An item that stands at a place, from 1; repeatable."),
        click.option("--boost", multiple=True, metavar="FACTOR:FILTER", help="Raise scores, e.g. '1.5:brand = Acme'; repeatable."),
        click.option("--cap", multiple=True, metavar="FIELD=MOST", help="At most so many items of one value; repeatable."),
        click.option("--quota", multiple=True, metavar="LEAST:FILTER", help="At least so many, e.g. '2:brand = Acme'; repeatable."),
        click.option("--item-fields", default="", metavar="A,B", help="Fields of the items to show, e.g. price,categories."),
        click.option("--explain", is_flag=True, help="Show the parts that add up to each score."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _rules(
    *,
    filter_text: str | None,
    exclude: tuple[str, ...],
    pin: tuple[str, ...],
    boost: tuple[str, ...],
    cap: tuple[str, ...],
    quota: tuple[str, ...],
    seen: str = "auto",
    strict: bool = True,
) -> Rules:
    from occasion.cli.parameters import named_values
    from occasion.rules import Cap, Rules

    return Rules(
        filter=filter_text,  # type: ignore[arg-type]  # Rules takes the text form
        exclude=exclude,
        pins=dict(_pin(given) for given in pin),
        boosts=tuple(_boost(given) for given in boost),
        caps=tuple(Cap(name, most) for name, most in named_values(cap, "--cap", "brand=2").items()),  # type: ignore[arg-type]  # Cap checks
        quotas=tuple(_quota(given) for given in quota),
        strict=strict,
        exclude_seen={"auto": "auto", "leave-out": True, "allow": False}[seen],  # type: ignore[arg-type]
    )


def _pin(given: str) -> tuple[str, int]:
    """Read ID=PLACE; the last = counts, as ids may hold any character."""
    from occasion.errors import RuleError

    item, _, place = given.rpartition("=")
    if not item or not place.isdecimal():
        raise RuleError(f"--pin is {given!r}. Cure: ID=PLACE, for example --pin phone=1.")
    return item, int(place)


def _boost(given: str) -> Boost:
    """Read FACTOR:FILTER."""
    from occasion.errors import RuleError
    from occasion.rules import Boost, parse_filter

    factor, _, text = given.partition(":")
    try:
        number = float(factor)
    except ValueError:
        raise RuleError(f"--boost is {given!r}. Cure: FACTOR:FILTER, for example '1.5:brand = Acme'.") from None
    return Boost(parse_filter(text), number)


def _quota(given: str) -> Quota:
    """Read LEAST:FILTER."""
    from occasion.errors import RuleError
    from occasion.rules import Quota, parse_filter

    least, found, text = given.partition(":")
    if not found or not least.strip().isdecimal():
        raise RuleError(f"--quota is {given!r}. Cure: LEAST:FILTER, for example '2:brand = Acme'.")
    return Quota(parse_filter(text), int(least))


def _fields(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


@click.command(cls=Documented, bare=("--text", "--user"), short_help="Recommend items that fit a moment.")
@click.option("--user", metavar="ID", help="Whom to recommend to; leave it out for nobody known.")
@click.option("--session", metavar="ID", help="Ties the events of an anonymous visitor together.")
@click.option("--text", default="", help="The situation in words, any language the encoder knows.")
@click.option("--signal", multiple=True, metavar="NAME=VALUE", help="A typed signal, e.g. weather=rain; repeatable.")
@click.option("--recent", multiple=True, metavar="ID", help="An item just looked at that is no event yet; repeatable.")
@click.option("--at", metavar="TIME", help="When: 2026-11-27T19:30, 'friday 19:30', 19:30, unix seconds. Default: now.")
@click.option("--time-zone", metavar="ZONE", help="IANA time zone of the person.")
@click.option("--country", metavar="CODE", help="ISO 3166 code, for public holidays.")
@click.option("--locale", type=click.Choice(["en", "zh"]), help="Language of sentence and reasons.")
@rule_options
@click.option(
    "--seen",
    type=click.Choice(["auto", "allow", "leave-out"]),
    default="auto",
    show_default=True,
    help="Items already had.",
)
@click.option(
    "--strict/--no-strict", default=True, help="--no-strict: places that the filter leaves empty go to items that do not pass it."
)
@click.option("--diversity", type=float, help="0 (best first) to 1 (as different as can be).")
@click.option("--explore", type=float, help="Chance of each place to go to a random candidate, 0 to 1.")
@policy_options
@click.option("--scenario", default="", metavar="NAME", help="Take what is left out from a scenario; see `occasion scenarios`.")
@click.option("--what-if", multiple=True, metavar="NAME=VALUE", help="A changed signal, text or at: two lists side by side.")
@click.option("--no-keep", is_flag=True, help="Do not store the answer.")
@common_options
def recommend(**given: Any) -> None:
    """Recommend items that fit a moment.

    Examples
    --------
      occasion recommend --user 7
      occasion recommend --user 7 --text "Friday night, at home, raining" --k 5 --explain
      occasion recommend --text "最近浏览了手机和相机" --locale zh
      occasion recommend --user 7 --signal weather=sunny --what-if weather=rain --what-if "at=sunday 09:00"
      occasion recommend --user 7 --filter 'price < 20' --item-fields price,categories --json
      occasion recommend --user 7 --policy plackett-luce --temperature .1
    """
    invocation = current()
    rules = _rules(**{name: given[name] for name in ("filter_text", "exclude", "pin", "boost", "cap", "quota", "seen", "strict")})
    fields = _fields(given["item_fields"])
    options = {"rules": rules, "diversity": given["diversity"], "explore": given["explore"]}
    options |= {"policy": given["policy"], "policy_options": policy_settings(given)}
    options["scenario"] = given["scenario"]
    context = _context(invocation, given)
    changes = _changes(invocation, given["what_if"], context)
    with invocation.recommender() as recommender:
        if changes:
            before, after = recommender.what_if(context, given["k"], **changes, **options)
            _show_both(invocation, recommender, before, after, fields, given["what_if"])
        else:
            slate = recommender.recommend(context, given["k"], keep=not given["no_keep"], **options)
            _show(invocation, recommender, slate, fields, explain=given["explain"])


def _context(invocation: Invocation, given: dict[str, Any]) -> Context:
    from occasion.cli.parameters import named_values, unix_time
    from occasion.context import has_calendar
    from occasion.data import Context

    if given["country"] and not has_calendar(given["country"]):
        invocation.say(f"note: no public holidays are known of the country {given['country']!r}.")
    settings = invocation.settings(time_zone=given["time_zone"])
    return Context(
        user=given["user"],
        session=given["session"],
        at=unix_time(given["at"], settings.time_zone),
        text=given["text"],
        signals=named_values(given["signal"], "--signal"),
        time_zone=given["time_zone"],
        country=given["country"],
        locale=given["locale"] or settings.locale,
        recent=given["recent"],
    )


def _changes(invocation: Invocation, pairs: tuple[str, ...], context: Context) -> dict[str, Any]:
    """Return what-if pairs as arguments of `Recommender.what_if`; empty where there are none."""
    from occasion.cli.parameters import named_values, unix_time

    values = named_values(pairs, "--what-if")
    for name in ("user", "session"):
        if name in values:
            raise click.UsageError(
                f"--what-if changes the moment of one person, not the {name}. Cure: recommend twice, once for each."
            )
    out: dict[str, Any] = {}
    if "text" in values:
        out["text"] = str(values.pop("text"))
    if "at" in values:
        zone = context.time_zone or invocation.settings().time_zone
        out["at"] = unix_time(str(values.pop("at")), zone, base=context.at)
    return out | ({"signals": values} if values else {})


def _show(invocation: Invocation, recommender: Recommender, slate: Slate, fields: list[str], *, explain: bool) -> None:
    from occasion.cli.slates import document, field_of, table

    items = recommender.store.get_items(list(slate.items))
    if invocation.json:
        invocation.emit(document(slate, items, fields))
        return
    if slate.sentence:
        invocation.say(f"understood as: {slate.sentence}")
    for name in fields if items else ():
        if all(field_of(item, name) is None for item in items.values()):
            invocation.say(f"note: no item here has a field {name!r}.")
    if slate.entries:
        invocation.console().print(table(slate, items, fields=fields, explain=explain))
    for note in slate.notes:
        invocation.say(f"note: {note}")
    if slate.entries and not slate.id.startswith("similar:"):
        invocation.say(f"slate {slate.id} (name it in feedback: --slate)")


def _show_both(
    invocation: Invocation, recommender: Recommender, before: Slate, after: Slate, fields: list[str], pairs: tuple[str, ...]
) -> None:
    from occasion.cli.slates import compared, document, movement

    items = recommender.store.get_items([*before.items, *after.items])
    if invocation.json:
        both = {"before": document(before, items, fields), "after": document(after, items, fields)}
        invocation.emit({**both, "moved": movement(before, after)})
        return
    invocation.say(f"before: {before.sentence}\nafter:  {after.sentence}")
    invocation.console().print(compared(before, after, items, titles=("as asked", "what if " + ", ".join(pairs))))
    for note in dict.fromkeys((*before.notes, *after.notes)):
        invocation.say(f"note: {note}")


@click.command(cls=Documented, short_help="Show items like one item.")
@click.argument("item")
@click.option("--locale", type=click.Choice(["en", "zh"]), help="Language of the reasons. Default: the settings'.")
@rule_options
@common_options
def similar(item: str, k: int | None, item_fields: str, explain: bool, locale: str | None, **given: Any) -> None:
    """Show items like ITEM, by text and by what people choose with it.

    Examples
    --------
      occasion similar B00004
      occasion similar "potato-chips" --k 5 --filter 'price < 3' --json
    """
    invocation = current()
    with invocation.recommender() as recommender:
        slate = recommender.similar(item, 10 if k is None else k, rules=_rules(**given, seen="allow"), locale=locale)
        if not invocation.json:
            invocation.say(f"like: {recommender.store.get_items([item])[item].title}")
        _show(invocation, recommender, slate, _fields(item_fields), explain=explain)
