"""Loop: watch the log, learn a version when enough is new, promote it if it passes the gate, take it back if people like it less.

What was decided stands in the store (states ``learning`` and ``learning_log``), so that a loop that was stopped goes on where
it was. Nothing in service changes but by a whole version that passed the gate, or by a rollback.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from occasion.encoders import load_encoder
from occasion.errors import DataError, OccasionError, StoreError
from occasion.exclusive import BusyError, exclusive
from occasion.people import AuditEntry
from occasion.privacy.guarded import open_guarded
from occasion.protocols import Encoder, Store
from occasion.settings import Settings, load_settings
from occasion.training.bounds import check_memory
from occasion.training.fit import check_options, fit
from occasion.training.live_feedback import SETTLE, roll_back_if_worse
from occasion.versions import Versions

__all__ = ["Decision", "LearningLoop", "LoopOptions", "learn"]

STATE, LOG = "learning", "learning_log"
KEPT = 500
"""Decisions that are remembered."""
LOOKS = 900.0
"""Seconds between two looks at live feedback, at least."""
ACTOR = "learn"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopOptions:
    """When to learn, and how.

    Attributes
    ----------
    events : int
        New events since the last fit, at least; >= 1.
    share : float
        The same as a share of the events that fit learnt from; >= 0. Both must be reached.
    minutes : float
        From one fit to the next, at least; >= 0.
    budget : float
        Seconds of a fit; see `occasion.training.fit`.
    poll : float
        Seconds between looks at the log, > 0.
    settle : float
        See `occasion.training.live_feedback.SETTLE`.
    seed, threads, memory, queries, without
        As for `occasion.training.fit`.
    """

    events: int = 1000
    share: float = 0.05
    minutes: float = 60.0
    budget: float = 300.0
    poll: float = 30.0
    settle: float = SETTLE
    seed: int = 0
    threads: int = 1
    memory: float | None = None
    queries: int = 400
    without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, least in (("events", 1), ("share", 0), ("minutes", 0), ("budget", 5), ("poll", 0.01), ("settle", 0)):
            value = getattr(self, name)
            if not least <= value < float("inf"):
                raise DataError(f"{name} is {value!r}. Cure: {least} or more.")
        check_options(self.budget, self.queries, self.without)
        check_memory(self.memory)

    @classmethod
    def of(cls, settings: Settings, **given: Any) -> LoopOptions:
        """Return what the settings say, but for what is given (None: not given)."""
        mine = {name: getattr(settings, f"learn_{name}") for name in ("events", "share", "minutes", "budget")}
        return cls(**{**mine, **{name: value for name, value in given.items() if value is not None}})


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the loop decided: at (unix seconds), act, version, why.

    `act` is ``waits``, ``promoted``, ``not promoted``, ``failed`` or ``rolled back``; all but ``waits`` are remembered.
    """

    at: float
    act: str
    why: str
    version: str = ""


class LearningLoop:
    """One home's loop, a step at a time; see `learn` for all of it.

    Parameters
    ----------
    store, settings, options
    encoder : Encoder, optional
        Default: what the settings name, loaded when it is first needed.
    progress : callable, optional
        Called with a sentence about each step of a fit.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        options: LoopOptions,
        *,
        encoder: Encoder | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self.store, self.settings, self.options, self.progress = store, settings, options, progress
        self.versions = Versions(store, settings.home)
        self._encoder = encoder
        self._looked = -LOOKS

    def step(self, now: float | None = None) -> list[Decision]:
        """Look at live feedback and at the log once; learn where it is time to; return what was decided."""
        at = time.time() if now is None else now
        looked = self._looked_at_feedback(at)
        if looked is not None and looked.act == "rolled back":
            return [looked]
        try:
            wait = self.waits_for(at)
            decision = self._learn(at) if wait is None else Decision(at=at, act="waits", why=wait)
        except BusyError as error:
            decision = Decision(at=at, act="waits", why=str(error))
        except Exception as error:  # whatever a fit dies of, what serves goes on, and so does the loop
            decision = self._failed(at, error)
        return [decision] if looked is None else [looked, decision]

    def _looked_at_feedback(self, at: float) -> Decision | None:
        """Look at live feedback where it is time to; a look that fails (the version before is damaged, say) stops no learning."""
        try:
            return self._look(at)
        except Exception as error:
            return self._failed(at, error, fit=False)

    def waits_for(self, now: float) -> str | None:
        """Return what a fit waits for, in words; None: it is time."""
        seq, last, at, failed = self._last()
        options, new = self.options, seq - last
        wanted = max(options.events, int(options.share * last))
        # A clock that was set back must not stop learning for as long as it was wrong.
        if 0 <= now - at < 60 * options.minutes:
            return f"the last fit was {(now - at) / 60:.0f} minutes ago, {options.minutes:g} lie between two"
        if new < wanted and not (failed and new > 0):
            return f"{max(new, 0)} new events, {wanted} are wanted"
        return None

    def decisions(self) -> list[Decision]:
        """Return what was decided so far, oldest first."""
        text = self.store.get_state(LOG)
        return [Decision(**entry) for entry in json.loads(text)] if text else []

    def _last(self) -> tuple[int, int, float, bool]:
        """Return the newest event, and of the last fit: its newest event, when it was, whether it failed. Fits by hand count."""
        text = self.store.get_state(STATE)
        kept: Mapping[str, Any] = json.loads(text) if text else {}
        seq, at, failed = int(kept.get("seq", 0)), float(kept.get("at", 0)), bool(kept.get("failed", False))
        for manifest in self.versions.all()[-1:]:
            if manifest.made_at > at:
                seq, at, failed = int(manifest.data.get("seq", 0)), manifest.made_at, False
        return self.store.cursor()[1], seq, at, failed

    def _look(self, now: float) -> Decision | None:
        if 0 <= now - self._looked < LOOKS:
            return None
        self._looked = now
        found = roll_back_if_worse(self.store, self.settings, now=now, settle=self.options.settle, actor=ACTOR)
        if found is None or not found.rolled_back_to:
            return None
        return self._decided(Decision(at=now, act="rolled back", version=found.version, why=found.reason))

    def _learn(self, now: float) -> Decision:
        options, seq = self.options, self.store.cursor()[1]
        self._encoder = self._encoder or load_encoder(self.settings.encoder, settings=self.settings)
        manifest = fit(
            self.store,
            settings=self.settings,
            encoder=self._encoder,
            budget=options.budget,
            seed=options.seed,
            threads=options.threads,
            memory=options.memory,
            queries=options.queries,
            without=options.without,
            progress=self.progress,
        )
        promoted = self.versions.in_service() == manifest.id
        why = "; ".join(manifest.gate["reasons"])
        if promoted:
            self.store.add_audit(AuditEntry(at=time.time(), actor=ACTOR, act="version.promote", target=manifest.id, detail=why))
        self._remember(seq, max(now, time.time()))
        return self._decided(Decision(at=now, act="promoted" if promoted else "not promoted", version=manifest.id, why=why))

    def _failed(self, now: float, error: Exception, *, fit: bool = True) -> Decision:
        """Keep a fit's failure in mind: a log too short waits for more events, anything else is tried again."""
        why = str(error) if isinstance(error, OccasionError) else f"something unforeseen happened ({type(error).__name__}: {error})"
        decision = Decision(at=now, act="failed", why=why)
        try:
            if fit:
                self._remember(self.store.cursor()[1], now, failed=not isinstance(error, DataError))
            return self._decided(decision)
        except StoreError:
            # A store that cannot be written may be so for a while; nothing was lost, and the next step tries again.
            return decision

    def _remember(self, seq: int, at: float, *, failed: bool = False) -> None:
        self.store.put_state(STATE, json.dumps({"seq": seq, "at": at, "failed": failed}))

    def _decided(self, decision: Decision) -> Decision:
        kept = [asdict(d) for d in (*self.decisions(), decision)]
        self.store.put_state(LOG, json.dumps(kept[-KEPT:]))
        return decision


def learn(
    settings: Settings | None = None,
    *,
    options: LoopOptions | None = None,
    store: Store | None = None,
    encoder: Encoder | None = None,
    once: bool = False,
    stop: threading.Event | None = None,
    told: Callable[[Decision], None] | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[Decision]:
    """Run the loop of a home until told to stop.

    Parameters
    ----------
    settings : Settings, optional
        Default: `load_settings()`.
    options : LoopOptions, optional
        Default: what the settings say.
    store, encoder : optional
        Ready parts; default: what the settings name.
    once : bool
        One step, then return.
    stop : threading.Event, optional
        Ends the loop between steps, and its waiting at once.
    told : callable, optional
        Called with each decision; of decisions to wait, with those that wait for something else than the one before.
    progress : callable, optional
        Called with a sentence about each step of a fit.

    Returns
    -------
    list of Decision
        Those of the last step.

    Raises
    ------
    BusyError
        Where another loop works on this home.
    StoreError
        Where the store cannot be opened.
    """
    settings = settings or load_settings()
    stop, options = stop or threading.Event(), options or LoopOptions.of(settings)
    said = ""
    with exclusive(settings.home, "learn", "another `occasion learn` works"):
        opened = open_guarded(settings) if store is None else None
        try:
            loop = LearningLoop(cast(Store, store or opened), settings, options, encoder=encoder, progress=progress)
            while True:
                decisions = loop.step()
                for decision in decisions:
                    waits_for = re.sub(r"[\d.,]+", "", decision.why) if decision.act == "waits" else ""
                    if told is not None and (not waits_for or waits_for != said):
                        told(decision)
                    said = waits_for
                if once or stop.wait(options.poll):
                    return decisions
        finally:
            if opened is not None:
                opened.close()
