"""Running an import: chunk by chunk, so that a stop loses and doubles nothing."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

from occasion.data import Item, Slate, User, content_hash
from occasion.errors import DataError
from occasion.importing.batches import begin_batch, end_batch
from occasion.importing.chunks import Chunk
from occasion.importing.columnwise import EventRows
from occasion.importing.consents import news
from occasion.importing.described import RowFault, rows_to_values
from occasion.importing.frames import frame_of
from occasion.importing.planning import Options, Paths, Source, open_files
from occasion.importing.report import EXAMPLES, FilePlan, ImportSummary, Reject, Warned
from occasion.people import Consent
from occasion.privacy.guarded import GuardedStore
from occasion.privacy.rejected import list_rejects
from occasion.protocols import Progress, Store

__all__ = ["import_files"]

OwnedFaults = list[tuple[tuple[int, str, str, str], str | None]]
"""(row, column, value, reason) of rows that cannot be used, each with whose row it is."""
VALUES = 5000
"""Items or users written in one transaction."""


def import_files(
    store: Store | None,
    paths: Paths,
    *,
    kind: str = "auto",
    mapping: Mapping[str, str] | None = None,
    format: str = "auto",
    event_type: str | None = None,
    names: Sequence[str] | None = None,
    time_zone: str = "UTC",
    rejects: str | os.PathLike[str] | None = None,
    validate_only: bool = False,
    progress: Progress | None = None,
    stdin: BinaryIO | None = None,
) -> ImportSummary:
    """Import files into a store. Doing it twice changes nothing; stopped in the middle, it goes on from there.

    All files are planned before the first row is written, so that a file that cannot be understood stops the import before it
    began. A chunk of rows is on the disk before the place reached in the file is noted; rows met again after a stop are
    recognised by event id, which is the content hash where the file gives none. Hence two rows of events that are equal in
    every column used are one event: the second is counted as unchanged. Of a person's choices for a purpose the newest by its
    time is in force, whatever stands in the store or further up in the file. Choices go in before all else: nothing is kept of
    those who refuse every purpose.

    Parameters
    ----------
    store : Store or None
        None is enough to validate.
    paths : path or sequence of paths
        Files, patterns with ``*``, ``?`` and ``**``, or ``-`` for standard input. ``.gz`` is unzipped on the way.
    kind : str
        ``consents``, ``items``, ``users``, ``events``, ``slates``; ``auto``: by columns and file name.
    mapping : mapping of str to str
        Role to column where the guess is wrong: see `plan_file`.
    format : str
        One of `FORMATS`; ``auto``: by the end of the name, else by the first bytes.
    event_type : str, optional
        The type of events whose row names none.
    names : sequence of str, optional
        Column names of delimited files without a header line.
    time_zone : str
        IANA zone of times written without one.
    rejects : path, optional
        File that each rejected row is appended to, as a line of JSON with file, line, column, value, reason, who and at (when
        it was rejected, unix seconds). Behind a guarded store values are redacted and ids are what the store has of them.
        After a stop by force a row may be listed twice.
    validate_only : bool
        Read and check everything, write nothing.
    progress : callable, optional
        Called with (bytes read, bytes in all); all is 0 where a file is zipped.
    stdin : binary stream, optional
        What ``-`` reads; default: the process's standard input.

    Raises
    ------
    DataError
        A file or an option cannot be understood at all. Rows that cannot be used are no errors, nor are signals that cannot be:
        see the summary.
    StoreError
        The store cannot be written. What was written stays, and importing again goes on from there.
    """
    options = Options(kind, mapping, format, event_type, names, time_zone)
    if store is None and not validate_only:
        raise DataError("there is no store to import into. Cure: pass a store, or validate_only=True.")
    started = time.perf_counter()
    summary = ImportSummary(validate_only=validate_only, rejects_file=os.fspath(rejects) if rejects else "")
    guard = store if isinstance(store, GuardedStore) else None
    with open_files(paths, stdin) as files:
        rejected = _Rejects(rejects, summary, guard)
        sources = options.sources(files)
        target = None if validate_only else store
        run = _Run(target, options, summary, rejected)
        before = 0 if target is None else begin_batch(target)
        run.progress = _Steps(progress, [source for source, _ in sources])
        for source, plan in sources:
            summary.plans.append(run.take(source, plan))
        run.finish()
        if target is not None:
            end_batch(target, before, resumed=summary.resumed > 0)
    summary.seconds = time.perf_counter() - started
    return summary


class _Rejects:
    """What is told of single rows: those rejected, also in a file that is made with the first of them, and those with a warning."""

    def __init__(self, path: str | os.PathLike[str] | None, summary: ImportSummary, guard: GuardedStore | None) -> None:
        self._path, self._summary, self._guard = Path(path) if path else None, summary, guard

    def add(self, rows: Sequence[Reject]) -> None:
        """Count rows and list them in the file."""
        kept = [self._permitted(row.who, row.value) for row in rows]
        rows = [replace(row, who=who, value=value) for row, (who, value) in zip(rows, kept, strict=True)]
        self._summary.reject(rows)
        if not rows or self._path is None:
            return
        try:
            list_rejects(self._path, [asdict(row) for row in rows])
        except OSError as error:
            raise DataError(f"rejected rows cannot be listed in {self._path}: {error.strerror}. Cure: name another file.") from None

    def warn(self, file: str, lines: Sequence[int], events: EventRows) -> None:
        """Keep the first rows with signals that cannot be; `lines` are those of all rows of `events`."""
        for row in events.warned[: EXAMPLES - len(self._summary.warnings)].tolist():
            who, signals = self._permitted(events.owner(row), events.unusable(row))
            self._summary.warnings.append(Warned(file=file, line=lines[row], signals=signals, who=who or ""))

    def _permitted(self, who: str | None, value: str) -> tuple[str | None, str]:
        """Return what may be told of a row: whose it is, and what was found."""
        return (who, value) if self._guard is None else self._guard.rejected(who, value)


class _Steps:
    """Progress over several files, in bytes."""

    def __init__(self, report: Progress | None, sources: Sequence[Source]) -> None:
        self._report = report
        self._done = 0
        self._total = 0 if any(s.file.zipped for s in sources) else sum(s.file.size for s in sources)

    def at(self, source: Source, position: int) -> None:
        """Say how far a file is."""
        if self._report is not None:
            part = min(1.0, position / max(1, source.reader.total))
            self._report(self._done + round(part * source.file.size), self._total)

    def over(self, source: Source) -> None:
        """Say that a file is done."""
        self.at(source, source.reader.total)
        self._done += source.file.size


class _Run:
    """One import under way."""

    progress: _Steps

    def __init__(self, store: Store | None, options: Options, summary: ImportSummary, rejects: _Rejects) -> None:
        self._store, self._options, self._summary, self._rejects = store, options, summary, rejects
        self._states: list[str] = []

    def take(self, source: Source, plan: FilePlan) -> FilePlan:
        """Import one file, from where an earlier import of it stopped; return the plan as it was at the end."""
        state = "import " + content_hash(source.file.fingerprint(), source.file.name, self._options.key())
        counts = ImportSummary()
        place = self._resume(state, counts)
        if not place["done"]:
            for chunk in source.chunks(place["position"], place["line"]):
                if source.meet(chunk):
                    plan = self._options.plan(source, plan.kind)
                self._chunk(source, plan, chunk, counts)
                self._mark(state, chunk.position, chunk.line, counts)
                self.progress.at(source, chunk.position)
            self._mark(state, 0, 0, counts, done=True)
        self.progress.over(source)
        return plan

    def finish(self) -> None:
        """Forget the places reached: the import is over."""
        for state in self._states:
            if self._store is not None:
                self._store.put_state(state, None)

    def _resume(self, state: str, counts: ImportSummary) -> dict[str, Any]:
        kept = self._store.get_state(state) if self._store is not None else None
        if kept is None:
            return {"position": 0, "line": 1, "done": False}
        self._states.append(state)
        place: dict[str, Any] = json.loads(kept)
        for total in (counts, self._summary):
            total.rows += place["rows"]
            total.new += place["new"]
            total.unchanged += place["unchanged"]
            total.warned += place.get("warned", 0)
            total.rejected.update(place["rejected"])
        self._summary.resumed += place["rows"]
        return place

    def _mark(self, state: str, position: int, line: int, counts: ImportSummary, *, done: bool = False) -> None:
        if self._store is None:
            return
        if state not in self._states:
            self._states.append(state)
        place = {"position": position, "line": line, "done": done, **counts.counts()}
        self._store.put_state(state, json.dumps(place))

    def _chunk(self, source: Source, plan: FilePlan, chunk: Chunk, counts: ImportSummary) -> None:
        """Import one chunk and count its rows."""
        name = source.file.name
        nobody = None if plan.kind == "items" else ""
        rejects = [Reject(file=name, line=line, column="", value=v, reason=reason, who=nobody) for line, v, reason in chunk.faults]
        if plan.kind == "events":
            new, unchanged, more = self._events(name, plan, chunk, counts)
        else:
            new, unchanged, more = self._values(plan, chunk)
        rejects += [Reject(file=name, line=chunk.lines[row], column=c, value=v, reason=r, who=who) for (row, c, v, r), who in more]
        self._rejects.add(sorted(rejects, key=lambda reject: reject.line))
        counts.reject(rejects)
        for total in (counts, self._summary):
            total.rows += len(chunk) + len(chunk.faults)
            total.new += new
            total.unchanged += unchanged

    def _events(self, name: str, plan: FilePlan, chunk: Chunk, counts: ImportSummary) -> tuple[int, int, OwnedFaults]:
        frame, faults = frame_of(chunk, plan)
        events = EventRows(frame, plan, self._options.zone, faults)
        valid = len(events.batch.id)
        self._rejects.warn(name, chunk.lines, events)
        for total in (counts, self._summary):
            total.warned += len(events.warned)
        owned: OwnedFaults = [(fault, events.owner(fault[0])) for fault in events.faults]
        if self._store is None:
            return 0, 0, owned
        new = self._store.append_columns(events.batch) if valid else 0
        return new, valid - new, owned

    def _values(self, plan: FilePlan, chunk: Chunk) -> tuple[int, int, OwnedFaults]:
        new, valid, faults = 0, 0, []
        made = enumerate(rows_to_values(plan.kind, chunk.dictionaries(), plan, self._options.zone))
        while some := list(islice(made, VALUES)):
            faults += [((row, v.column, v.value, v.reason), v.who) for row, v in some if isinstance(v, RowFault)]
            values = [v for _, v in some if not isinstance(v, RowFault)]
            valid += len(values)
            if self._store is not None and values:
                new += self._put(self._store, plan.kind, values)
        return new, valid - new if self._store is not None else 0, faults

    @staticmethod
    def _put(store: Store, kind: str, values: Sequence[Item | User | Slate | Consent]) -> int:
        if kind == "consents":
            return store.put_consents(news(store, cast("list[Consent]", values)))
        if kind == "items":
            return store.put_items(cast("list[Item]", values))
        if kind == "users":
            return store.put_users(cast("list[User]", values))
        fresh = [s for s in cast("list[Slate]", values) if store.get_slate(s.id) is None]
        for slate in fresh:
            store.put_slate(slate)
        return len({slate.id for slate in fresh})
