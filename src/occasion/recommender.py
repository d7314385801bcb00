"""The recommender: the only place where all parts meet. Reads as the flow chart of one answer.

context -> signals and a sentence -> history -> vectors -> candidates of all sources -> blend -> choice -> slate.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.context import ContextExtractor
from occasion.data import Context, Event, Scalar, Slate, SlateEntry, checked_values
from occasion.encoders import load_encoder
from occasion.errors import ConflictError, DataError, ModelError, NotFoundError, RuleError, StoreError
from occasion.explanation import Explainer
from occasion.keyed import distinct, values_of
from occasion.live import LiveState, StageProgress
from occasion.moments import MomentReader
from occasion.notes import note
from occasion.passedover import PassedOver
from occasion.policies import make_policy
from occasion.policies.ruled import choose_under_rules
from occasion.privacy.guarded import guarded, open_guarded
from occasion.protocols import (
    DetailedRanker,
    Encoder,
    EventColumns,
    ExpectantEncoder,
    Moment,
    NamingSource,
    Policy,
    ScoredCandidates,
    Source,
    Store,
    UncertainRanker,
)
from occasion.rankers import make_ranker
from occasion.reasons import alike
from occasion.rules import Rules, arrange
from occasion.scenarios import Scenario, Scenarios, combined, resolve
from occasion.scenarios.registry import STATE as SCENARIOS
from occasion.settings import Settings, load_settings
from occasion.sources import SOURCES, make_source
from occasion.stepping import Steps, finished
from occasion.timing import stage, stepped
from occasion.titles import quoted
from occasion.versions import BLEND, IN_SERVICE, Versions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.learned import LearnedModel

    Floats = NDArray[np.float32]
    Keys = NDArray[np.int32]
    Standing = tuple[tuple[int, int, int], tuple[str | None, ...]]

__all__ = ["Recommender"]

logger = logging.getLogger(__name__)

MAX_K = 10_000
OF = {"learned": "learned", "looks": "pictures"}
"""Sources that are only there where this part is."""
LIKE_THE_PAST = ("taste", "lookalike")
"""Sources that put nothing forward where somebody says what they want, with a model in service the first of them alone: what comes
into such an answer is found by the words, by what others chose, or by the model. What is put forward they score as ever."""
AGAIN_SECONDS = 30.0
"""After a model version could not be read, until it is tried again."""
STANDING = (SCENARIOS, IN_SERVICE)
"""Small texts of the store that each answer goes by."""
SQUARE = 200
"""Up to this many candidates, all their cosines at once are cheaper than one row after another."""


class Recommender:
    """Recommends from one store.

    Parameters
    ----------
    settings : Settings, optional
        Default: `load_settings()`.
    store, encoder : optional
        Ready parts; default: what the settings name.
    until : float, optional
        Count only events before this time, for evaluation.
    progress : callable, optional
        Called with (stage, done, total) during long work.
    reencode : bool
        Accept that the configured encoder differs from the one that made the store's vectors, and encode anew.
    learned : bool, optional
        Serve by the model version in service and follow its changes; default: unless `until` is given, as a model
        has learnt from the whole log.
    hurried : bool
        For a service: where thousands of events of others came since the last answer, an answer takes over some of them and
        the next ones the rest, so that none waits. What the person of a request did counts in it in any case.

    Attributes
    ----------
    version : str
        The model version that answers, "blend" where it is none.
    trouble : str
        Why the version in service cannot be used, where it cannot; answers say so and come from the blend.

    Raises
    ------
    StoreError, EncoderError, SettingsError
        Where a part cannot be opened.
    EncoderMismatchError
        Where the store's vectors were made by another encoder and `reencode` is False.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        store: Store | None = None,
        encoder: Encoder | None = None,
        until: float | None = None,
        progress: StageProgress | None = None,
        reencode: bool = False,
        learned: bool | None = None,
        hurried: bool = False,
    ) -> None:
        self.settings = settings or load_settings()
        self._owns_store = store is None
        self.store = open_guarded(self.settings) if store is None else guarded(store, self.settings)
        self.encoder = encoder or load_encoder(self.settings.encoder, settings=self.settings)
        self.extractor = ContextExtractor(settings=self.settings)
        self._until, self._progress, self._hurried = until, progress, hurried
        self._follows = until is None if learned is None else learned
        self.versions = Versions(self.store, self.settings.home)
        self.scenarios = Scenarios(self.store, self.settings.home)
        self._start(reencode)

    def _start(self, reencode: bool) -> None:
        parts = self.store, self.encoder, self.extractor, self.settings
        self.live = LiveState(*parts, until=self._until, progress=self._progress, hurried=self._hurried)
        if reencode:
            self.live.reencode()
        self.reader = MomentReader(self.live, self.extractor)
        self.explainer = Explainer(self.live)
        self.sources: dict[str, Source] | None = None
        self._named: dict[str, Callable[[Moment, int], Keys]] = {}
        self._detailed: DetailedRanker | None = None
        self.version, self.trouble = BLEND, ""
        self.learned: LearnedModel | None = None
        self._ask_again = 0.0

    # -- answers --------------------------------------------------------------------------------------------------------
    def recommend(
        self,
        context: Context | None = None,
        k: int | None = None,
        *,
        rules: Rules | None = None,
        diversity: float | None = None,
        explore: float | None = None,
        policy: str | None = None,
        policy_options: Mapping[str, Any] | None = None,
        sources: Sequence[str] | None = None,
        slate_id: str | None = None,
        keep: bool = True,
        scenario: str = "",
        scenarios: Mapping[str, Scenario] | None = None,
    ) -> Slate:
        """Return what fits a moment, and store the answer.

        Parameters
        ----------
        context : Context, optional
            Who, when, where, in which words. Default: nobody, now.
        k : int, optional
            Number of items wanted, 1 to 10,000; fewer come where the catalogue or the rules allow no more, and a note says so.
            Default: the scenario's, else 10.
        rules : Rules, optional
            Filters, pins, boosts, caps, what to do with items already seen.
        diversity : float, optional
            0 (best first) to 1 (as different as can be); default: the scenario's, else the settings'.
        explore : float, optional
            Chance of each place to go to a candidate drawn evenly, 0 to 1; excludes diversity. Short for the policy epsilon.
        policy : str, optional
            A name in `occasion.policies.POLICIES`; default: the scenario's where no level is given, else diverse, or epsilon where
            `explore` is above 0. The propensities in the slate are exact, under caps and pins, too (a pinned item has 1: the rule
            put it there).
        policy_options : mapping, optional
            Settings of the policy named, for example ``{"temperature": 0.1}``.
        sources : sequence of str, optional
            Names in `occasion.sources.SOURCES` to use alone, for ablations; default: all.
        slate_id : str, optional
            Seeds all chance: the same id, store and moment give the same answer. Default: a new one.
        keep : bool
            Store the slate.
        scenario : str
            The name of a stored scenario: what this request leaves out is taken from it.
        scenarios : mapping of name to Scenario, optional
            What counts as stored, for previews; default: what is stored. Scenarios that always apply are among them.

        Raises
        ------
        DataError, RuleError
            For a k, level or rule that cannot be used.
        NotFoundError
            Where there is no such scenario.
        """
        work = self.recommending(
            context,
            k,
            rules=rules,
            diversity=diversity,
            explore=explore,
            policy=policy,
            policy_options=policy_options,
            sources=sources,
            slate_id=slate_id,
            keep=keep,
            scenario=scenario,
            scenarios=scenarios,
        )
        return finished(work)

    def recommending(
        self,
        context: Context | None = None,
        k: int | None = None,
        *,
        rules: Rules | None = None,
        diversity: float | None = None,
        explore: float | None = None,
        policy: str | None = None,
        policy_options: Mapping[str, Any] | None = None,
        sources: Sequence[str] | None = None,
        slate_id: str | None = None,
        keep: bool = True,
        scenario: str = "",
        scenarios: Mapping[str, Scenario] | None = None,
        standing: Standing | None = None,
    ) -> Steps[Slate]:
        """Do as `recommend` does, in steps: for several answers at once (`occasion.stepping`).

        Such answers go by one state of the store: `standing` is what `look` has just returned. Without it the first step looks.
        """
        slate_id = slate_id or uuid.uuid4().hex
        context = Context() if context is None else context
        _check_kinds(context, rules)
        context = context.revised(at=time.time()) if context.at is None else context
        assert context.at is not None
        # What is wrong with a request is said before anything is brought in for it.
        looked = standing is not None
        standing = self.store.glance(STANDING) if standing is None else standing
        stored = self._scenarios(standing) if scenarios is None else scenarios
        levels = {"diversity": diversity, "explore": explore}
        asked = resolve(stored, scenario, context.at, k=k, rules=rules, policy=policy, policy_options=policy_options, **levels)
        k, rules = asked.k, asked.rules
        _check_k(k)
        if asked.signals:
            context = replace(context, signals={**asked.signals, **context.signals})
        level = self.settings.diversity if asked.diversity is None else asked.diversity
        choice = _policy(asked.policy, asked.policy_options, asked.explore or 0.0, level)
        names = _known_sources(sources)
        if not looked:
            self.refresh(standing)
        yield
        slate = yield from self._answer(context, k, rules, choice, slate_id, names)
        if rules.filter is not None and not rules.strict and len(slate.entries) < k:
            slate = yield from self._filled(slate, context, k, rules, choice, names)
        if scenario or asked.notes:
            slate = replace(slate, scenario=scenario, notes=(*asked.notes, *slate.notes))
        if keep:
            yield
            slate = self._kept(slate)
        return slate

    @stage("write")
    def _kept(self, slate: Slate) -> Slate:
        """Store an answer and return it; one that cannot be stored (a full disk) is given all the same, and says so."""
        try:
            self.store.put_slate(slate)
        except StoreError as error:
            logger.warning("an answer could not be stored: %s", error)
            return replace(slate, notes=(*slate.notes, note("unstored", slate.context.locale)))
        return slate

    def _scenarios(self, standing: Standing) -> Mapping[str, Scenario]:
        """Return the scenarios in the store; none for evaluation, which measures the models."""
        return self.scenarios.told(standing[1][0]) if self._until is None else {}

    def _answer(
        self, context: Context, k: int, rules: Rules, policy: Policy, slate_id: str, names: Sequence[str] = tuple(SOURCES)
    ) -> Steps[Slate]:
        moment, notes = yield from self.reader.reading(context, rules, slate_id)
        yield
        keys, parts = yield from self._ranked(moment, rules, names, k)
        yield
        return (yield from self._slate(slate_id, moment, keys, parts, k, rules, policy, notes))

    def _filled(self, slate: Slate, context: Context, k: int, rules: Rules, policy: Policy, names: Sequence[str]) -> Steps[Slate]:
        """Give the places that a filter left empty to items that do not pass it; all other rules stay in force."""
        here = len(slate.entries)
        others = replace(rules, filter=None, pins={}, exclude=(*rules.exclude, *slate.items))
        rest = yield from self._answer(context, k if rules.caps else k - here, others, policy, slate.id, names)
        both = (*slate.entries, *rest.entries)
        # Caps count what stands there already.
        kept = arrange([e.item for e in both], k, replace(rules, pins={}), self.live.catalogue.first, self._passing(rules)).tolist()
        entries = tuple(both[n] for n in kept)
        told = note("filled", context.locale, passing=here, others=len(kept) - here)
        # What both answers say (of the person, of the language model) is true of the whole one, too.
        shared = [text for text in slate.notes if text in rest.notes]
        return replace(slate, entries=entries, notes=(told, *shared, *_unplaced(rules, k, entries, context.locale)))

    def similar(self, item_id: str, k: int = 10, *, rules: Rules | None = None, locale: str | None = None) -> Slate:
        """Return items like one item, by text, by pictures where they are looked at, and by what people choose with it.

        The slate is not stored. Its reasons are in `locale`, by default that of the settings, and its sentence is empty.

        Raises
        ------
        NotFoundError
            Where no item has this id.
        """
        _check_k(k)
        standing = self.look()
        key = self.live.catalogue.key(item_id)
        if key is None or not self.live.catalogue.known[key]:
            raise NotFoundError(f"there is no item {item_id!r}. Cure: check the id, or import the item first.")
        context = Context(at=time.time(), recent=(item_id,), locale=locale or self.settings.locale)
        assert context.at is not None
        firm = resolve(self._scenarios(standing), "", context.at).rules
        rules = combined(rules or Rules(exclude_seen=False), replace(firm, pins={}, boosts=(), caps=(), quotas=()))
        moment, notes = self.reader.read(context, replace(rules, exclude=(*rules.exclude, item_id)), f"similar:{item_id}")
        keys, parts = finished(self._ranked(moment, rules, ("taste", "lookalike", "looks", "together"), k))
        policy = make_policy("diverse", diversity=0.0)
        slate = finished(self._slate(f"similar:{item_id}", moment, keys, parts, k, rules, policy, notes))
        entries = tuple(replace(entry, reason=alike(entry.parts, locale=context.locale)) for entry in slate.entries)
        return replace(slate, entries=entries, sentence="")

    def what_if(
        self,
        context: Context,
        k: int | None = None,
        *,
        signals: Mapping[str, Scalar] | None = None,
        text: str | None = None,
        at: float | None = None,
        **options: Any,
    ) -> tuple[Slate, Slate]:
        """Return the answer to a moment, and to the same moment with some of it changed. Neither is stored."""
        _check_kinds(context)
        before = replace(context, at=time.time() if context.at is None else context.at)
        after = replace(
            before,
            signals={**before.signals, **(signals or {})},
            text=before.text if text is None else text,
            at=before.at if at is None else at,
        )
        # One seed for both: what differs, differs by the change alone.
        options |= {"keep": False, "slate_id": uuid.uuid4().hex}
        return self.recommend(before, k, **options), self.recommend(after, k, **options)

    def score(self, context: Context, items: Sequence[str]) -> dict[str, float]:
        """Return the score of each of the caller's items that the store knows, in this moment; comparable among them alone."""
        _check_kinds(context)
        self.refresh()
        moment, _ = self.reader.read(context, Rules(exclude_seen=False), "score")
        keys = np.array(self.live.catalogue.keys(dict.fromkeys(items)), np.int32)
        parts = finished(self._parts(moment, keys, tuple(SOURCES)))
        total = np.sum(list(parts.values()), axis=0) if len(keys) else np.zeros(0)
        return {self.live.catalogue.id(int(key)): float(s) for key, s in zip(keys, total, strict=True)}

    def rate(self, context: Context, items: Sequence[str]) -> dict[str, float]:
        """Return what a person would rate each of the items that the store knows in this moment, on the scale of the log's ratings.

        Raises
        ------
        ConflictError
            Where the version in service has no ratings model.
        """
        _check_kinds(context)
        self.refresh()
        if self.learned is None or self.learned.ratings is None:
            raise ConflictError(
                f"the version in service ({self.version}) cannot foretell ratings. Cure: `occasion fit` makes one that can, "
                "from a log with a few hundred events of the type rating."
            )
        moment, _ = self.reader.read(context, Rules(exclude_seen=False), "rate")
        keys = np.array(self.live.catalogue.keys(dict.fromkeys(items)), np.int32)
        found = self.learned.ratings.rate(moment, keys).tolist() if len(keys) else []
        return {self.live.catalogue.id(int(key)): value for key, value in zip(keys, found, strict=True)}

    def scored(self, context: Context, *, slate_id: str, sources: Sequence[str] | None = None) -> ScoredCandidates:
        """Return the candidates of a moment with their scores, just as `recommend` would hand them to a policy."""
        names = _known_sources(sources)
        self.refresh()
        moment, _ = self.reader.read(context, Rules(), slate_id)
        keys, parts = finished(self._ranked(moment, Rules(), names))
        total = np.sum(list(parts.values()), axis=0).astype(np.float32) if parts else np.zeros(0, np.float32)
        return ScoredCandidates(keys, total, self.spread(moment, keys), self._similarity(moment, keys))

    # -- feedback -------------------------------------------------------------------------------------------------------
    def feedback(self, events: Event | Sequence[Event]) -> int:
        """Store what people did, durably; return how many events were new. The very next answer reflects them.

        A signal that cannot be (a latitude of 131, an hour of 25) counts for nothing: a warning is logged, and
        `occasion.context.signals.unusable` says which of an event's signals those are.
        """
        batch = list(checked_values(Event, [events] if isinstance(events, Event) else events))
        passed_over = PassedOver()
        passed_over.look(batch)
        if passed_over.found:
            # Neither names nor values: both are the caller's words, and logs hold nothing of persons.
            logger.warning("%d of %d events carry signals that are not usable, and passed over", passed_over.found, len(batch))
        now = time.time()
        return self.store.append([e if e.at is not None else replace(e, at=now) for e in batch])

    # -- upkeep ---------------------------------------------------------------------------------------------------------
    @stage("refresh")
    def refresh(self, standing: Standing | None = None) -> None:
        """Bring in items and events that came since the last answer; cheap where there are none.

        `standing` is what `Store.glance` has just said of `STANDING`.
        """
        cursor, (_, version) = self.store.glance(STANDING) if standing is None else standing
        self.live.refresh(cursor)
        wanted = self.versions.told(version) if self._follows else self.version
        if self.sources is None:
            self.use(None)
        if wanted != self._asked_for or (self.trouble and time.monotonic() >= self._ask_again):
            self._change_over(wanted)

    def look(self) -> Standing:
        """Bring in what is new, once for several answers that begin now; return what `recommending` wants to know of it."""
        standing = self.store.glance(STANDING)
        self.refresh(standing)
        return standing

    def expect_words(self) -> None:
        """Get the language model ready for the words of the catalogue: its first sentences then take no longer than later ones.

        Answers are the same without. Safe beside other threads.
        """
        if isinstance(self.encoder, ExpectantEncoder):
            self.encoder.expect(self.live.some_titles())

    def use(self, learned: LearnedModel | None) -> None:
        """Answer by a model, None: by the blend alone. A recommender that follows the version in service does this itself."""
        parts: dict[str, Any] = {"index": self.live.index, "statistics": self.live.statistics}
        parts |= {"text_index": self.live.text_index, "learned": learned, "pictures": self.live.pictures}
        # Where no version serves, or pictures are not looked at, the source of it is not there.
        sources = {name: make_source(name, parts) for name in SOURCES if parts.get(OF.get(name, "index")) is not None}
        groups = {name: source.group for name, source in sources.items()}
        ranker = make_ranker("blend", statistics=self.live.statistics, groups=groups)
        if learned is not None:
            ranker = make_ranker("learned", learned=learned, blend=ranker)
        self.sources, self.ranker, self.learned = sources, ranker, learned
        # What a part can do beyond the least is looked up once: at each answer it would cost as much as a look into the store.
        self._named = {name: _naming(source) for name, source in sources.items()}
        self._detailed = ranker if isinstance(ranker, DetailedRanker) else None
        self.version = self._asked_for = BLEND if learned is None else learned.version

    def _change_over(self, version: str) -> None:
        """Take the version now in service; one that cannot be read is told of and passed over."""
        self.trouble = ""
        try:
            self.use(None if version == BLEND else self.load_version(version))
        except (ModelError, NotFoundError) as error:
            self.use(None)
            self.trouble = f"The model version {version} cannot be used, answers come from the blend: {error}"
            logger.warning(self.trouble)
        # Not tried again at each request, but after a while, and as soon as another version is put into service.
        self._asked_for, self._ask_again = version, time.monotonic() + AGAIN_SECONDS

    def load_version(self, version: str) -> LearnedModel:
        """Read a version's model.

        Raises
        ------
        NotFoundError, ModelError
            Where it is not there, or damaged.
        """
        from occasion.learned import LearnedModel

        return LearnedModel.load(version, self.versions.model_folder(version), self.past_signals, self.past_figures)

    def past_signals(self, columns: EventColumns) -> dict[str, tuple[NDArray[np.int32], Sequence[Scalar]]]:
        """Return the signals given with past events: name to (codes (n,), values)."""
        return self.extractor.stored_signals(columns, self.live.contexts)

    def past_figures(self, columns: EventColumns, wanted: Collection[str] | None = None) -> dict[str, NDArray[np.float64]]:
        """Return the numbers of signals, all or those wanted, that events tell as fractions: name to (n,), NaN where untold."""
        return self.extractor.stored_figures(columns, self.live.contexts, wanted)

    def rebuild(self, *, reencode: bool = False) -> None:
        """Throw everything derived away and build it anew from the store."""
        self.live.discard()
        self._start(reencode)
        self.refresh()

    def close(self) -> None:
        """Close the store where this object opened it; idempotent."""
        if self._owns_store:
            self.store.close()

    def __enter__(self) -> Recommender:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # -- candidates and their scores --------------------------------------------------------------------------------------
    @stepped("search")
    def _ranked(
        self, moment: Moment, rules: Rules, names: Sequence[str] = tuple(SOURCES), k: int = 0
    ) -> Steps[tuple[Keys, dict[str, Floats]]]:
        """Return candidate keys (n,), k at least where there are as many, and the parts of their scores, boosts included."""
        assert self.sources is not None
        if moment.allowed is None or not moment.allowed.any():
            return np.zeros(0, np.int32), {}
        names, count = [name for name in names if name in self.sources], max(self.settings.candidates, k)
        found = []
        if self.learned is not None and "learned" in names:
            # Its source finds the answer with the moment: of all sources this one alone takes longer than all others together.
            yield from self.learned.asking(moment)
        for name in self._naming(moment, names):
            found.append(self._named[name](moment, count))
            yield
        pinned = np.array(self.live.catalogue.keys(rules.pins), np.int32)
        keys = distinct(np.concatenate([*found, pinned[moment.allowed[pinned]], *self._of_quotas(moment, rules)]))
        if len(keys) < count:
            keys = distinct(np.concatenate([keys, _some(moment.allowed, count, moment.rng)]))
        yield
        parts = yield from self._parts(moment, keys, names)
        if rules.boosts:
            total = np.sum(list(parts.values()), axis=0)
            factor = np.ones(len(keys), np.float32)
            for boost in rules.boosts:
                factor[self.live.catalogue.columns.mask(boost.filter, len(moment.allowed))[keys]] *= boost.factor
            parts["rules"] = np.abs(total) * (factor - 1)
        return keys, parts

    def _naming(self, moment: Moment, names: Sequence[str]) -> Sequence[str]:
        """Return which sources put candidates forward: a search that finds nothing that the others do not is left out."""
        spoken = moment.context_vector is not None and bool(moment.context.text.strip())
        if not spoken or "semantic" not in names:
            return names
        spared = LIKE_THE_PAST[: 1 if "learned" in names else None]
        return [name for name in names if name not in spared]

    @stepped("rank")
    def _parts(self, moment: Moment, keys: Keys, names: Sequence[str]) -> Steps[dict[str, Floats]]:
        assert self.sources is not None
        # The sources that compare vectors, and the diversity after them, need the same ones: fetched once.
        moment.extra["vectors"] = (keys, self.live.vectors(keys))
        scores = {}
        for name in names:
            yield
            if name in self.sources:
                scores[name] = self.sources[name].score(moment, keys)
        yield
        return self.ranker.rank(moment, keys, scores)

    def _of_quotas(self, moment: Moment, rules: Rules) -> list[Keys]:
        """Return for each quota the most popular of the allowed keys that pass: other sources may find none of them."""
        assert moment.allowed is not None
        found = []
        for quota in rules.quotas:
            keys = np.flatnonzero(self.live.catalogue.columns.mask(quota.filter, len(moment.allowed)) & moment.allowed)
            order = np.argsort(-values_of(self.live.statistics.now, keys.astype(np.int32)), kind="stable")
            found.append(keys[order[: 4 * quota.least]].astype(np.int32))
        return found

    def _passing(self, rules: Rules) -> Callable[[str, int], bool] | None:
        """Return what tells whether an item passes a quota's filter; None where there is no quota."""
        if not rules.quotas:
            return None
        catalogue = self.live.catalogue
        masks = [catalogue.columns.mask(quota.filter, len(catalogue)) for quota in rules.quotas]
        return lambda item, n: bool(masks[n][catalogue.keys((item,))].any())

    # -- the slate --------------------------------------------------------------------------------------------------------
    @stepped("policy")
    def _slate(
        self,
        slate_id: str,
        moment: Moment,
        keys: Keys,
        parts: Mapping[str, Floats],
        k: int,
        rules: Rules,
        policy: Policy,
        notes: list[str],
    ) -> Steps[Slate]:
        scores = np.sum(list(parts.values()), axis=0).astype(np.float32) if parts else np.zeros(0, np.float32)
        chosen, propensity = choose_under_rules(
            policy,
            scores,
            k,
            rules,
            lambda some: [self.live.catalogue.id(int(keys[c])) for c in some],
            self.live.catalogue.first,
            self._passing(rules),
            rng=moment.rng,
            similarity=self._similarity(moment, keys),
            spread=None if policy.certain else self.spread(moment, keys),
        )
        yield
        locale = moment.context.locale
        if len(chosen) < k and self.live.catalogue.size:
            allowed = int(moment.allowed.sum()) if moment.allowed is not None else 0
            notes.append(note("short", locale, k=k, given=len(chosen), allowed=allowed, items=self.live.catalogue.size))
        mine = {g: p[chosen] for g, p in parts.items()}
        if self._detailed is not None:
            mine = self._detailed.detail(moment, keys[chosen], mine)
        if self.trouble:
            notes.append(self.trouble)
        yield
        entries = self.explainer.entries(moment, keys[chosen], mine, propensity)
        notes += _unplaced(rules, k, entries, locale)
        return Slate(
            id=slate_id,
            context=moment.context,
            entries=entries,
            sentence=moment.sentence,
            notes=tuple(notes),
            version=f"{self.ranker.version}/{self.encoder.version}",
            policy=policy.name,
        )

    def spread(self, moment: Moment, keys: Keys) -> Floats | None:
        """Return the standard deviation (n,) of the scores of candidate keys, None where the ranker does not know it."""
        return self.ranker.spread(moment, keys) if isinstance(self.ranker, UncertainRanker) else None

    def _similarity(self, moment: Moment, keys: Keys) -> Callable[[int, NDArray[np.int64]], Floats]:
        """Return a function of (one position, positions) to cosines; those among the positions are worked out once."""
        known = moment.extra.get("vectors")
        held = known[1] if known is not None and known[0] is keys else self.live.vectors(keys)
        # By the identity of the positions, which are kept with it: what is gone may lend its identity to another.
        pools: dict[int, tuple[NDArray[np.int64], Floats, dict[int, int], Floats]] = {}

        def similarity(one: int, others: NDArray[np.int64]) -> Floats:
            pool = pools.get(id(others))
            if pool is None:
                vectors, place = held[others], {}
                square = vectors
                if len(others) <= SQUARE:
                    place, square = {other: at for at, other in enumerate(others.tolist())}, vectors @ vectors.T
                pool = pools[id(others)] = (others, vectors, place, square)
            at = pool[2].get(one)
            return np.asarray(pool[1] @ held[one] if at is None else pool[3][at], np.float32)

        return similarity


def _unplaced(rules: Rules, k: int, entries: Sequence[SlateEntry], locale: str) -> list[str]:
    """Return a note on the pins that stand nowhere, where there are any."""
    given = {entry.item for entry in entries}
    missing = [item for item, place in rules.pins.items() if place <= k and item not in given]
    return [note("unplaced", locale, ids=quoted(missing))] if missing else []


def _naming(source: Source) -> Callable[[Moment, int], Keys]:
    """Return the fastest way to a source's candidates."""
    if isinstance(source, NamingSource):
        return source.named
    return lambda moment, k: source.candidates(moment, k).keys


def _check_kinds(context: object, rules: object = None) -> None:
    """Refuse words or a mapping where a Context or Rules are wanted."""
    if not isinstance(context, Context):
        raise DataError(
            f"a moment is a Context, found {type(context).__name__} {context!r:.200}. Cure: Context(user=..., text=...)."
        )
    if rules is not None and not isinstance(rules, Rules):
        raise RuleError(
            f"rules are Rules, found {type(rules).__name__} {rules!r:.200}. "
            "Cure: Rules(filter='price < 20'), or occasion.rules.parse_rules of their JSON form."
        )


def _check_k(k: int) -> None:
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= MAX_K:
        raise DataError(f"k is {k!r}. Cure: a whole number from 1 to {MAX_K}.")


def _policy(name: str | None, options: Mapping[str, Any] | None, explore: float, diversity: float) -> Policy:
    """Return the policy asked for, by name or by level."""
    options = dict(options or {})
    if explore and name not in (None, "epsilon"):
        raise DataError(f"explore goes with the policy epsilon, not with {name}. Cure: leave one of the two out.")
    if name is None:
        if options:
            raise DataError(f"the settings {', '.join(options)} belong to a policy. Cure: name the policy.")
        name = "epsilon" if explore else "diverse"
    if name == "epsilon" and explore:
        options.setdefault("epsilon", explore)
    if name == "diverse":
        options.setdefault("diversity", diversity)
    return make_policy(name, **options)


def _known_sources(names: Sequence[str] | None) -> Sequence[str]:
    for name in names or ():
        if name not in SOURCES:
            raise DataError(f"there is no source {name!r}. Cure: some of {', '.join(SOURCES)}.")
    return tuple(SOURCES) if names is None else tuple(names)


def _some(allowed: NDArray[np.bool_], n: int, rng: np.random.Generator) -> Keys:
    """Return up to n allowed keys drawn evenly: a small or new catalogue has few candidates otherwise."""
    keys = np.flatnonzero(allowed).astype(np.int32)
    return keys if len(keys) <= n else rng.choice(keys, n, replace=False)
