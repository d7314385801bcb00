"""Live feedback: what people did with a new version's answers, against what they did with the answers of the version before.

A slate earns the sum over its items of the weight of the strongest event that names it (`occasion.liking.liking`: a click 1,
a purchase 3, a dislike -2), as far as events came within `SETTLE` seconds. Compared are slates of one policy at like times: those
of the version before, from whole weeks before the change, are weighted so that each part of the day on workdays and weekends
has the share that it has among the new ones. The new version is worse where the whole interval of the difference lies below 0: a
confidence sequence at 95 % (`occasion.metrics.sequential`), which may be looked at at any time, so that a version that is no worse
is blamed with a chance of 5 % at most, however often one looks.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np

from occasion.data import Event, Slate
from occasion.evaluation.consenting import without_refusers
from occasion.liking import RatingScale, liking
from occasion.metrics import clustered_mean, sequential_margin
from occasion.people import AuditEntry
from occasion.protocols import EventColumns, Store
from occasion.settings import Settings
from occasion.versions import BLEND, Versions

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Comparison", "LiveSlates", "compare", "live_feedback", "roll_back_if_worse"]

DAY = 86_400.0
WEEK = 7 * DAY
SETTLE = 1800.0
"""Seconds that people have to react to a slate; younger slates do not count yet, later events do not count at all."""
SURE = 0.05
NEW = 28 * DAY
"""Seconds after its promotion in which a version is judged by its answers; later ones are no longer read."""
MOST = 50_000
"""Answers of each version that are read at most: the first of the new one, the last of the old one."""
LEAST_SLATES, LEAST_PEOPLE = 100, 30
"""Slates and people that each version needs before anything is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSlates:
    """Slates of one version, n of them: what each earned, whose it is, and a text that tells like ones apart."""

    reward: NDArray[np.float64]
    users: NDArray[np.str_]
    kind: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.reward)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What live feedback says of the version in service.

    Attributes
    ----------
    version, before : str
        In service now; in service before it.
    slates, people : (int, int)
        Of the new and of the old, as far as they are alike.
    reward, reward_before : float, optional
        A slate's, on average.
    difference : (mean, low, high), optional
        New less old; the interval may be looked at at any time.
    worse : bool
        The whole interval lies below 0.
    reason : str
        In words.
    rolled_back_to : str
        The version put back into service, empty where none was.
    """

    version: str
    before: str
    reason: str
    slates: tuple[int, int] = (0, 0)
    people: tuple[int, int] = (0, 0)
    reward: float | None = None
    reward_before: float | None = None
    difference: tuple[float, float, float] | None = None
    worse: bool = False
    rolled_back_to: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def compare(new: LiveSlates, old: LiveSlates, *, version: str, before: str) -> Comparison:
    """Compare the slates of a new version, which may go on growing, with those of the one before it."""
    common = np.intersect1d(new.kind, old.kind)
    mine, theirs = np.isin(new.kind, common), np.isin(old.kind, common)
    counts = (int(mine.sum()), int(theirs.sum()))
    people = (len(np.unique(new.users[mine])), len(np.unique(old.users[theirs])))
    facts: dict[str, Any] = {"version": version, "before": before, "slates": counts, "people": people}
    if min(counts) < LEAST_SLATES or min(people) < LEAST_PEOPLE:
        return Comparison(
            **facts,
            reason=f"too early to tell: {counts[0]} comparable answers to {people[0]} people by {version}, "
            f"{counts[1]} to {people[1]} by {before}; {LEAST_SLATES} to {LEAST_PEOPLE} are the least",
        )
    mean = clustered_mean(new.reward[mine].tolist(), new.users[mine].tolist())
    weights = _alike(new.kind[mine], old.kind[theirs])
    past = clustered_mean(old.reward[theirs].tolist(), old.users[theirs].tolist(), weights.tolist())
    error = float(np.hypot(mean.error, past.error))
    # The interval is to be narrowest when both are known equally well.
    margin = sequential_margin(error, 2 * (past.error / error) ** 2 if past.error > 0 else 1.0, 1 - SURE) if error > 0 else 0.0
    less = mean.value - past.value
    low, high = less - margin, less + margin
    return Comparison(
        **facts,
        reward=mean.value,
        reward_before=past.value,
        difference=(less, low, high),
        worse=high < 0,
        reason=f"{'worse' if high < 0 else 'not surely worse'} than {before}: an answer earns {mean.value:.4f}, before "
        f"{past.value:.4f}; difference {less:+.4f} ({low:+.4f} to {high:+.4f})",
    )


def _alike(new: NDArray[np.str_], old: NDArray[np.str_]) -> NDArray[np.float64]:
    """Return weights (n,) with which the old slates have the new ones' mixture of kinds."""
    kinds, of_new = np.unique(new, return_counts=True)
    codes = np.searchsorted(kinds, old)
    return np.asarray((of_new / np.maximum(np.bincount(codes, minlength=len(kinds)), 1))[codes], np.float64)


def live_feedback(store: Store, settings: Settings, *, now: float | None = None, settle: float = SETTLE) -> Comparison | None:
    """Compare the version in service with the one before it; None where there is nothing to compare.

    There is nothing where the blend serves, where a version came back by a rollback, and where none was before.

    Parameters
    ----------
    store, settings
    now : float, optional
        Unix seconds; default: this moment.
    settle : float
        See `SETTLE`.
    """
    versions, now = Versions(store, settings.home), time.time() if now is None else now
    serving, changes = versions.in_service(), versions.log()
    if serving == BLEND or not changes or changes[-1]["version"] != serving or changes[-1].get("back"):
        return None
    before, changed = str(changes[-1]["before"]), float(changes[-1]["at"])
    weeks = max(1, int(np.ceil(min(now - changed, NEW) / WEEK)))
    whole = without_refusers(store, settings.granted_by_default)
    since, until = changed - weeks * WEEK, min(now - settle, changed + NEW)
    groups = _served(whole, serving, before, changed, since, until)
    rewards = _rewards(whole, groups, since, settle, settings.weights)
    new, old = (_read(groups[name], rewards, settings.time_zone) for name in (serving, before))
    return compare(new, old, version=serving, before=before)


def _served(store: Store, serving: str, before: str, changed: float, since: float, until: float) -> Mapping[str, Collection[Slate]]:
    """Return the answers of the new version after the change, and of the old one before it, in [since, until]."""
    new: list[Slate] = []
    old: deque[Slate] = deque(maxlen=MOST)
    for slate in store.slates(since):
        at, made = slate.context.at or 0.0, _version(slate)
        if not slate.entries or at > until:
            continue
        if made == serving and at >= changed:
            new.append(slate)
        elif made == before and at < changed:
            old.append(slate)
        if len(new) == MOST:
            break
    return {serving: new, before: old}


def _version(slate: Slate) -> str:
    """Return the version that made a slate: all untrained blends are one."""
    name = slate.version.partition("/")[0]
    return BLEND if name.startswith(f"{BLEND}-") or name == BLEND else name


def _rewards(
    store: Store, groups: Mapping[str, Collection[Slate]], since: float, settle: float, weights: Mapping[str, float]
) -> dict[str, float | None]:
    """Return what each slate earned, None where impressions are logged and it has none."""
    shown = {slate.id: slate for slates in groups.values() for slate in slates}
    named = [e for e in _events(store, since) if e.slate in shown and (e.at or 0) <= (shown[e.slate].context.at or 0) + settle]
    columns = _columns(named)
    strongest: dict[tuple[str, str], float] = {}
    scale = RatingScale()  # of the whole log, as everywhere: a 4 is no dislike because only 4 and 5 were given to these answers
    for batch in store.events():
        scale.add(batch)
    for event, weight in zip(named, liking(columns, scale.range, weights).tolist(), strict=True):
        place = (event.slate or "", event.item)
        if abs(weight) >= abs(strongest.get(place, 0.0)):
            strongest[place] = weight
    seen = {event.slate for event in named if event.type == "impression"}
    out: dict[str, float | None] = {name: None if seen and name not in seen else 0.0 for name in shown}
    for (name, _), weight in strongest.items():
        out[name] = (out[name] or 0.0) + weight
    return out


def _events(store: Store, since: float) -> Iterator[Event]:
    """Yield the events stored from the first one on that happened at or after a time."""
    for columns in store.events():
        late = np.flatnonzero(columns.at >= since)
        if len(late):
            yield from store.read_events(after=int(columns.seq[late[0]]) - 1)
            return


def _columns(events: list[Event]) -> EventColumns:
    types = sorted({event.type for event in events})
    none = np.zeros(len(events), np.int32)
    return EventColumns(
        seq=np.arange(len(events)), user=none, item=none, context=none, at=np.zeros(len(events)), types=tuple(types),
        type=np.array([types.index(event.type) for event in events], np.int16),
        value=np.array([np.nan if event.value is None else event.value for event in events], np.float32),
    )  # fmt: skip


def _read(slates: Collection[Slate], rewards: Mapping[str, float | None], zone: str) -> LiveSlates:
    """Return the shown ones of some slates as arrays."""
    rows = [(rewards[s.id], _whose(s), _kind(s, ZoneInfo(zone))) for s in slates if rewards[s.id] is not None]
    reward, users, kind = zip(*rows, strict=True) if rows else ((), (), ())
    return LiveSlates(reward=np.array(reward, np.float64), users=np.array(users, np.str_), kind=np.array(kind, np.str_))


def _whose(slate: Slate) -> str:
    c = slate.context
    return f"user {c.user}" if c.user is not None else f"session {c.session}" if c.session is not None else f"slate {slate.id}"


def _kind(slate: Slate, zone: ZoneInfo) -> str:
    """Return policy, workday or weekend, and quarter of the day."""
    at = datetime.fromtimestamp(slate.context.at or 0, zone)
    return f"{slate.policy} {'weekend' if at.weekday() > 4 else 'workday'} {at.hour // 6}"


def roll_back_if_worse(
    store: Store, settings: Settings, *, now: float | None = None, settle: float = SETTLE, actor: str = "learn"
) -> Comparison | None:
    """Compare as `live_feedback` does, and put the version before back into service where the present one is worse.

    The reason is written into the log of versions and, as `actor`, into the audit log.

    Raises
    ------
    ModelError
        Where the version before is damaged; the present one goes on serving.
    """
    found = live_feedback(store, settings, now=now, settle=settle)
    if found is None or not found.worse:
        return found
    version = Versions(store, settings.home).rollback(why=f"live feedback: {found.reason}")
    why = f"{found.version} is {found.reason}"
    store.add_audit(AuditEntry(at=time.time(), actor=actor, act="version.rollback", target=version, detail=why))
    return replace(found, rolled_back_to=version)
