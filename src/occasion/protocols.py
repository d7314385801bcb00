"""What the parts promise each other. One Protocol a part; one implementation a file; siblings never import each other.

Ids are strings outside and whole numbers (*keys*) inside. The store gives every item id a key 0, 1, 2, ... that never
changes, so arrays over items are indexed by key. Users and contexts have keys of the same kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from occasion.data import Context, Event, Item, Scalar, Slate, User
    from occasion.people import AuditEntry, Consent, Person, Removed

    Floats = NDArray[np.float32]
    Similarity = Callable[[int, NDArray[np.int64]], Floats]
    """(position, positions (n,)) to cosines (n,)."""
    Keys = NDArray[np.int32]

__all__ = [
    "CandidateScores",
    "Coded",
    "ContextProvider",
    "DetailedRanker",
    "Encoder",
    "EventBatch",
    "EventColumns",
    "ExpectantEncoder",
    "ForgetfulEncoder",
    "ImageEncoder",
    "Index",
    "Moment",
    "NamingSource",
    "Policy",
    "Progress",
    "Ranker",
    "ScoredCandidates",
    "Source",
    "Store",
    "StoredContext",
    "StoredItem",
    "UncertainRanker",
]

Progress = Callable[[int, int], None]
"""Called with (done, total) while long work runs; total is 0 where it is not known."""


class StoredItem(NamedTuple):
    """An item id as the store knows it: `item` is None where events name an id that no import described, or it was deleted."""

    key: int
    id: str
    revision: int
    item: Item | None


class StoredContext(NamedTuple):
    """A distinct context of events: many events share one."""

    key: int
    text: str
    signals: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class EventColumns:
    """A batch of events as columns, in order of `seq`, each (n,).

    `user` is -1 for an anonymous event, `context` is -1 where there is none, `value` and `at` are NaN where unknown;
    `type` indexes `types`, the names. A user key stands for a user id or, where there is none, for the session.
    """

    seq: NDArray[np.int64]
    user: Keys
    item: Keys
    type: NDArray[np.int16]
    value: Floats
    at: NDArray[np.float64]
    context: Keys
    types: tuple[str, ...]


class Coded(NamedTuple):
    """A column of few distinct values: row i holds ``values[codes[i]]``; a code (n,) of -1 means none."""

    values: Sequence[Any]
    codes: Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBatch:
    """Events on their way into a store as columns of n rows: what `Store.append_columns` takes.

    Everything must be as `Event` would have accepted it; nothing is checked again. Distinct values are listed once, so
    that a store looks each of them up once.

    Attributes
    ----------
    id : sequence of str, (n,)
    user, session : Coded of str
        At least one of the two in each row.
    item, type : Coded of str
        Never none.
    slate : Coded of str
    context : Coded of (text, signals) pairs
    value, at : float64 (n,)
        NaN where unknown.
    """

    id: Sequence[str]
    user: Coded
    session: Coded
    item: Coded
    type: Coded
    slate: Coded
    context: Coded
    value: NDArray[np.float64]
    at: NDArray[np.float64]


@runtime_checkable
class Store(Protocol):
    """The only durable state. What a write has returned from survives a crash; writing the same thing twice is harmless."""

    def put_items(self, items: Iterable[Item]) -> int:
        """Insert or replace items in one transaction; return how many are new or changed."""

    def delete_items(self, ids: Sequence[str]) -> int:
        """Remove items from the catalogue (their events stay); return how many were there."""

    def get_items(self, ids: Sequence[str]) -> dict[str, Item]:
        """Return the items that exist among `ids`."""

    def items(self, after: int = 0) -> Iterator[StoredItem]:
        """Yield item ids whose revision is > `after`, by revision: new, changed, deleted, or first named by an event."""

    def item_key(self, item_id: str) -> int | None:
        """Return the key of an item id, None if never seen."""

    def put_users(self, users: Iterable[User]) -> int:
        """Insert or replace users in one transaction; return how many are new or changed."""

    def get_user(self, user_id: str) -> User | None:
        """Return a user, None if unknown."""

    def users(self) -> Iterator[User]:
        """Yield all users that were described (not those only events name)."""

    def find_users(self, text: str, limit: int = 20) -> list[str]:
        """Return ids of users, described or only named by events, that contain a text; those that begin with it come first."""

    def user_key(self, user: str | None, session: str | None = None) -> int | None:
        """Return the key of a user id, else of a session, None if never seen."""

    def append(self, events: Sequence[Event]) -> int:
        """Append events durably in one transaction; return how many were new (by event id)."""

    def append_columns(self, batch: EventBatch) -> int:
        """Do as `append` does, for many events at once as columns: the fast way in for files."""

    def history(self, user_key: int, before: float | None = None, limit: int = 500) -> EventColumns:
        """Return the newest `limit` events of a user with ``at < before`` (or unknown time), in order of (at, seq)."""

    def trails(self, user_keys: Sequence[int], before: int, limit: int) -> dict[int, list[int]]:
        """Return the items of the newest `limit` events of each user among those with seq < `before`, in order of (at, seq)."""

    def events(self, after: int = 0, batch: int = 100_000) -> Iterator[EventColumns]:
        """Yield events with seq > `after` in batches, by seq."""

    def read_events(self, after: int = 0, batch: int = 10_000) -> Iterator[Event]:
        """Yield events with seq > `after` as values, by seq, read in batches (for export; slower than `events`)."""

    def contexts(self, after: int = -1) -> Iterator[StoredContext]:
        """Yield distinct event contexts with key > `after`, by key."""

    def put_slate(self, slate: Slate) -> None:
        """Store an answer: it survives the process at once, and a power cut no later than the first event written after it."""

    def get_slate(self, slate_id: str) -> Slate | None:
        """Return an answer, None if unknown."""

    def slates(self, since: float | None = None) -> Iterator[Slate]:
        """Yield answers in the order they were stored; `since` (unix seconds): those of moments at or after it alone."""

    def newest_slates(self, limit: int) -> list[Slate]:
        """Return the last answers that were stored, newest first; reads no others."""

    def put_consents(self, consents: Sequence[Consent]) -> int:
        """Store choices durably in one transaction; return how many differ from what was in force."""

    def consents(self, user: str | None, session: str | None = None) -> list[Consent]:
        """Return all choices of a user, or of an anonymous session, oldest first; the newest of a purpose is in force."""

    def all_consents(self) -> Iterator[Consent]:
        """Yield all choices of everybody, person by person, each one's oldest first."""

    def refusing(self, purpose: str) -> set[int]:
        """Return the user keys of all who refuse a purpose.

        Visitors whose session became a user's share the user's choice, and may refuse beyond it. `privacy.choices` adds what
        the settings say of those who never chose.
        """

    def granting(self, purpose: str) -> set[int]:
        """Return the user keys of all who allow a purpose in so many words, and of visitors that became one of them."""

    def person(self, user: str | None, session: str | None = None) -> Person | None:
        """Return everything held of a user, or of an anonymous session; None where there is nothing."""

    def erase(self, user: str | None, session: str | None = None, seal: Callable[[Removed], str] | None = None) -> Removed | None:
        """Remove everything of a person in one transaction; None where there is nothing.

        Events acquired under a session that became the user's are the user's. `seal` is called inside the transaction; the
        receipt that it returns is stored with it. A writer that names the user later makes a new person. Bytes leave the
        files with `purge`.
        """

    def add_erasure(self, receipt: str) -> None:
        """Store the sealed receipt of an erasure that found nothing in the store itself."""

    def everybody(self) -> Iterator[tuple[str | None, str | None]]:
        """Yield (user, None) of each user and (None, session) of each session that anything in the store names."""

    def erasures(self) -> list[str]:
        """Return the sealed receipts of all erasures, oldest first."""

    def event_types(self) -> tuple[str, ...]:
        """Return the names of all types that events have or had."""

    def expire_events(self, type: str, before: float, since: float = float("-inf")) -> int:
        """Remove events of a type with ``since <= at < before``; return how many. Events of unknown time stay."""

    def expire_slates(self, before: float, since: float = float("-inf")) -> int:
        """Remove answers to moments ``since <= at < before``; return how many there were."""

    def purge(self, compact: bool | None = None) -> bool:
        """Make what was removed leave the files; cheap where nothing was. Return whether it is done, or has to be tried again.

        `compact`: rewrite the files whole, which holds writers up for as long; None: where they are small.
        """

    def add_audit(self, entry: AuditEntry) -> None:
        """Append an administrative act to the log, durably."""

    def audit(self, after: int = 0) -> Iterator[AuditEntry]:
        """Yield administrative acts with seq > `after`, oldest first."""

    def copy_to(self, path: Path) -> None:
        """Write a consistent, checked copy of the store to a new file while others read and write."""

    def cursor(self) -> tuple[int, int, int]:
        """Return (greatest item revision, greatest event seq, withdrawals): cheap, tells whether something is new or gone.

        Withdrawals counts the changes after which counts and remembered keys are no longer right: consents, erasures, retention.
        """

    def glance(self, names: Sequence[str]) -> tuple[tuple[int, int, int], tuple[str | None, ...]]:
        """Return `cursor` and the small texts of some names (`get_state`), all as of one moment, in the time of one of them."""

    def counts(self) -> dict[str, int]:
        """Return the numbers of items, users, events, contexts and slates."""

    def get_state(self, name: str) -> str | None:
        """Return a small named text (import checkpoints, the model version in service)."""

    def put_state(self, name: str, value: str | None) -> None:
        """Store a small named text durably; None removes it."""

    def put_states(self, values: Mapping[str, str | None]) -> None:
        """Do as `put_state` does for several at once: after a crash all are there or none."""

    def close(self) -> None:
        """Close; idempotent."""


@runtime_checkable
class Encoder(Protocol):
    """Texts to unit vectors. `version` is stamped on every vector: two encoders of one version give the same vectors."""

    version: str
    dim: int

    def encode(self, texts: Sequence[str], *, role: Literal["query", "item"] = "item", progress: Progress | None = None) -> Floats:
        """Return unit vectors (n, dim). An empty text gives a zero vector. Order and batch size change nothing beyond 1e-5."""


@runtime_checkable
class ExpectantEncoder(Encoder, Protocol):
    """An encoder that can get ready for words before they come, so that the first sentences with them take no longer."""

    def expect(self, texts: Sequence[str]) -> None:
        """Get ready for sentences with the words of these texts; changes no vector."""


@runtime_checkable
class ForgetfulEncoder(Encoder, Protocol):
    """An encoder that remembers something of the sentences it met, and can drop it: a person's words may be among them."""

    def forget(self) -> None:
        """Drop what is remembered of sentences; changes no vector."""


@runtime_checkable
class ImageEncoder(Protocol):
    """Pictures to unit vectors. `version` is stamped on every vector; `side` is the edge of the squares it takes, in pixels."""

    version: str
    dim: int
    side: int

    def encode(self, pictures: NDArray[np.uint8]) -> Floats:
        """Return unit vectors (n, dim) of pictures (n, side, side, 3); neighbours in the batch change nothing beyond 1e-5."""


@runtime_checkable
class Index(Protocol):
    """Vectors to nearest keys by inner product. Can always be rebuilt."""

    def add(self, keys: Keys, vectors: Floats) -> None:
        """Add or replace vectors (n, dim)."""

    def remove(self, keys: Keys) -> None:
        """Remove keys; unknown keys are ignored."""

    def search(self, vector: Floats, k: int, allowed: NDArray[np.bool_] | None = None) -> CandidateScores:
        """Return the best k keys and inner products for one vector (dim,), best first; `allowed` is indexed by key."""

    def near(self, vector: Floats, k: int, allowed: NDArray[np.bool_] | None = None) -> Keys:
        """Return about the k keys that `search` would return, in no order; cheaper, for who scores them anyway."""

    def forget(self) -> None:
        """Drop what is remembered of searches; what they find stays the same."""

    def score(self, vector: Floats, keys: Keys) -> Floats:
        """Return exact inner products of one vector (dim,) with the vectors of `keys` (n,)."""

    def vectors(self, keys: Keys) -> Floats:
        """Return the vectors (n, dim) of keys; zeros for unknown ones."""

    def __len__(self) -> int: ...


class CandidateScores(NamedTuple):
    """Item keys (n,) and their scores (n,), best first."""

    keys: Keys
    scores: Floats


class ScoredCandidates(NamedTuple):
    """What a policy chooses from: keys (n,), scores (n,), their standard deviations where known, cosines as for `Policy`."""

    keys: Keys
    scores: Floats
    spread: Floats | None
    similarity: Callable[[int, NDArray[np.int64]], Floats]


@dataclass(slots=True)
class Moment:
    """A request with everything resolved that parts need: who, when, what was said, what was done before.

    Attributes
    ----------
    context : Context
        As asked, with `at` filled in.
    at : float
    signals : mapping
        All signals, given and derived.
    sentence : str
        The situation as one natural sentence.
    user : int
        User key, -1 for nobody.
    history : EventColumns or None
        Past events, oldest first, cut before `at`.
    weights : (h,) float32
        Liking of each history event: event weight times decay; negative for dislikes.
    context_vector, taste_vector : (dim,) float32 or None
        Encoded sentence; weighted mean of the history's item vectors.
    allowed : (items,) bool or None
        Which keys may be recommended at all; None: every item of the catalogue.
    rng : numpy Generator
        Seeded by the slate id.
    """

    context: Context
    at: float
    signals: Mapping[str, Scalar]
    sentence: str
    user: int
    history: EventColumns | None
    weights: Floats
    context_vector: Floats | None
    taste_vector: Floats | None
    allowed: NDArray[np.bool_] | None
    rng: np.random.Generator
    extra: dict[str, Any] = field(default_factory=dict)


@runtime_checkable
class Source(Protocol):
    """One reason to recommend: finds candidates and scores any."""

    name: str
    group: Literal["moment", "history", "looks", "others", "popularity", "exploration"]

    def candidates(self, moment: Moment, k: int) -> CandidateScores:
        """Return at most k allowed keys with scores, best first; empty where the source has nothing to say."""

    def score(self, moment: Moment, keys: Keys) -> Floats:
        """Return scores (n,) of given keys, on the same scale as `candidates`; 0 where it has nothing to say."""


@runtime_checkable
class NamingSource(Protocol):
    """A source that names candidates faster than it scores them: who scores all of them afterwards asks for no more."""

    def named(self, moment: Moment, k: int) -> Keys:
        """Return about k allowed keys, nearly those of `Source.candidates`, in no order."""


@runtime_checkable
class Ranker(Protocol):
    """Scores of all sources to one score with parts that add up."""

    version: str

    def rank(self, moment: Moment, keys: Keys, scores: Mapping[str, Floats]) -> dict[str, Floats]:
        """Return the parts (group name to (n,) float32) of each candidate's score; their sum is the score."""


@runtime_checkable
class DetailedRanker(Protocol):
    """A ranker whose parts cost too much to split for every candidate: it splits those of the chosen."""

    def detail(self, moment: Moment, keys: Keys, parts: Mapping[str, Floats]) -> dict[str, Floats]:
        """Return the parts (n,) of chosen keys by group; they sum to what `parts` sum to."""


@runtime_checkable
class UncertainRanker(Protocol):
    """A ranker that also says how sure it is; what a policy like Thompson sampling draws from."""

    def spread(self, moment: Moment, keys: Keys) -> Floats:
        """Return the standard deviation (n,) of each candidate's score, > 0, in the unit of the scores."""


@runtime_checkable
class Policy(Protocol):
    """Scores to an ordered choice with probabilities. Stateless.

    `certain` says that nothing about the choice is random.
    """

    name: str
    certain: bool

    def choose(
        self,
        scores: Floats,
        k: int,
        *,
        rng: np.random.Generator,
        similarity: Similarity | None = None,
        spread: Floats | None = None,
    ) -> tuple[NDArray[np.int64], Floats]:
        """Return positions into `scores` of the chosen (<= k) in order, and each choice's propensity given those before.

        `spread` (n,) is the standard deviation of each score where the ranker knows it.
        """

    def probabilities(
        self,
        scores: Floats,
        order: NDArray[np.int64],
        *,
        similarity: Similarity | None = None,
        spread: Floats | None = None,
    ) -> NDArray[np.float64]:
        """Return for distinct positions `order` (k,) the probability (k,) of each choice given those before it, in [0, 1].

        For what `choose` returned these are its propensities; any other order may be asked for as well.
        """


@runtime_checkable
class ContextProvider(Protocol):
    """Adds signals to a context: clock, calendar, weather. Must never raise for a usable context and never block long."""

    name: str

    def signals(self, context: Context) -> Mapping[str, Scalar]:
        """Return derived signals; empty where nothing is known."""
