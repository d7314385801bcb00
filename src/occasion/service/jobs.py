"""Import jobs: files that were sent wait in a tenant's home and are imported in the background, by whichever worker is free.

A worker that dies leaves its job behind; another one takes it up after some seconds, from the place reached in the file.
"""

from __future__ import annotations

import json
import shutil
import threading
import time
import uuid
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from occasion.errors import NotFoundError, OccasionError
from occasion.privacy.rejected import naming, texts_in
from occasion.service.control import ControlFile
from occasion.service.failures import RefusedError, is_inner, told
from occasion.service.logs import logger
from occasion.service.quotas import Quotas
from occasion.service.tenants import Tenant, Tenants

__all__ = ["ImportRunner", "Job", "Jobs", "job_folder"]

_COLUMNS = "id, tenant, state, options, created, beat, done, total, result"
BEAT_SECONDS = 0.4
LOST_SECONDS = 6.0
"""A running job that has not been heard of for so long is taken up by another worker."""
KEPT_SECONDS = 7 * 86_400.0
"""Jobs and their rejected rows are kept this long after they were sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One import.

    Attributes
    ----------
    id, tenant : str
    state : str
        ``held`` (its file is here, nobody has said to begin), ``queued``, ``running``, ``cancelling``, or how it ended: ``done``,
        ``failed``, ``cancelled``.
    options : mapping
        name, kind, format, event_type, validate_only.
    created, beat : float
        When it was sent, and last heard of; unix seconds.
    done, total : int
        Bytes of the file.
    result : mapping
        Counts of a job that is done; error and cure of one that failed.
    """

    id: str
    tenant: str
    state: str
    options: Mapping[str, Any]
    created: float
    beat: float
    done: int
    total: int
    result: Mapping[str, Any]


def job_folder(tenant: Tenant, job_id: str) -> Path:
    """Return the folder of a job: its file, and ``rejects.jsonl``."""
    return tenant.path("uploads") / job_id


class Jobs:
    """The jobs of all tenants in the control file."""

    def __init__(self, control: ControlFile) -> None:
        self._control = control

    @staticmethod
    def new_id() -> str:
        """Return an id for a job."""
        return uuid.uuid4().hex

    def submit(self, job_id: str, tenant: str, options: Mapping[str, Any], total: int, *, hold: bool = False) -> None:
        """Queue a job whose file is in place; `hold`: only once it is released."""
        now = time.time()
        sql = f"INSERT INTO job ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, 0, ?, '{{}}')"
        self._control.rows(sql, job_id, tenant, "held" if hold else "queued", json.dumps(options), now, now, total)

    def release(self, job_id: str, tenant: str, options: Mapping[str, Any]) -> bool:
        """Queue a job that is held, with options; return whether it was."""
        sql = "UPDATE job SET state = 'queued', options = ?, beat = ? WHERE id = ? AND tenant = ? AND state = 'held' RETURNING id"
        return bool(self._control.rows(sql, json.dumps(options), time.time(), job_id, tenant))

    def cancel(self, job_id: str, tenant: str) -> None:
        """Let a job end before it is done: at once where it has not begun, else at its next step; an ended one stays as it is."""
        sql = (
            "UPDATE job SET state = CASE state WHEN 'running' THEN 'cancelling' ELSE 'cancelled' END "
            "WHERE id = ? AND tenant = ? AND state IN ('held', 'queued', 'running')"
        )
        self._control.rows(sql, job_id, tenant)

    def get(self, job_id: str, tenant: str) -> Job:
        """Return a tenant's job.

        Raises
        ------
        NotFoundError
            Where the tenant has no such job.
        """
        rows = self._control.rows(f"SELECT {_COLUMNS} FROM job WHERE id = ? AND tenant = ?", job_id, tenant)
        if not rows:
            raise NotFoundError(f"there is no import {job_id!r:.80}. Cure: GET /v1/imports lists them.")
        return _job(rows[0])

    def all(self, tenant: str, limit: int = 100) -> list[Job]:
        """Return a tenant's jobs, newest first."""
        sql = f"SELECT {_COLUMNS} FROM job WHERE tenant = ? ORDER BY created DESC LIMIT ?"
        return [_job(row) for row in self._control.rows(sql, tenant, limit)]

    def unfinished(self, tenant: str) -> int:
        """Return how many of a tenant's jobs are held, wait or run."""
        sql = "SELECT count(*) FROM job WHERE tenant = ? AND state IN ('held', 'queued', 'running', 'cancelling')"
        return int(self._control.rows(sql, tenant)[0][0])

    def claim(self) -> Job | None:
        """Take a job that waits, or whose worker is lost; None where there is none."""
        now = time.time()
        lost = now - LOST_SECONDS
        self._control.rows("UPDATE job SET state = 'cancelled' WHERE state = 'cancelling' AND beat < ?", lost)
        rows = self._control.rows(
            "UPDATE job SET state = 'running', beat = ? WHERE id = (SELECT id FROM job WHERE state = 'queued' "
            f"OR (state = 'running' AND (beat < ? OR beat > ?)) ORDER BY created LIMIT 1) RETURNING {_COLUMNS}",
            # A last sign of life in the future is from before the clock was set back.
            *(now, lost, now + LOST_SECONDS),
        )
        return _job(rows[0]) if rows else None

    def beat(self, job_id: str, done: int, total: int) -> bool:
        """Say that a job goes on; return whether it may."""
        sql = "UPDATE job SET beat = ?, done = ?, total = ? WHERE id = ? RETURNING state"
        return self._control.rows(sql, time.time(), done, total, job_id) == [("running",)]

    def finish(self, job_id: str, state: str, result: Mapping[str, Any]) -> None:
        """Say how a job ended."""
        sql = "UPDATE job SET state = ?, result = ?, beat = ?, done = CASE WHEN ? = 'done' THEN total ELSE done END WHERE id = ?"
        self._control.rows(sql, state, json.dumps(result), time.time(), state, job_id)

    def forget_person(self, tenant: str, names: Collection[str]) -> int:
        """Empty what is told of imports that have ended wherever it names a person; return how many there were.

        A column, a reason or a file may be named after somebody: the first line of a file without a header is one.
        """
        named, gone = naming(names), 0
        sql = "SELECT id, options, result FROM job WHERE tenant = ? AND state IN ('done', 'failed', 'cancelled')"
        for job_id, options, result in self._control.rows(sql, tenant):
            if any(named.search(text) for document in (options, result) for text in texts_in(json.loads(document))):
                left = {name: value for name, value in json.loads(result).items() if isinstance(value, (int, float))}
                kept = {**json.loads(options), "name": "upload", "mapping": {}}
                self._control.rows(
                    "UPDATE job SET options = ?, result = ? WHERE id = ?", json.dumps(kept), json.dumps(left), job_id
                )
                gone += 1
        if gone:
            self._control.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        return gone

    def forget(self, job_id: str) -> None:
        """Remove a job."""
        self._control.rows("DELETE FROM job WHERE id = ?", job_id)

    def old(self) -> list[Job]:
        """Return finished jobs that are due to be forgotten."""
        sql = f"SELECT {_COLUMNS} FROM job WHERE state IN ('held', 'done', 'failed', 'cancelled') AND beat < ?"
        return [_job(row) for row in self._control.rows(sql, time.time() - KEPT_SECONDS)]


def _job(row: tuple[Any, ...]) -> Job:
    job_id, tenant, state, options, created, beat, done, total, result = row
    return Job(
        id=job_id,
        tenant=tenant,
        state=state,
        options=json.loads(options),
        created=created,
        beat=beat,
        done=done,
        total=total,
        result=json.loads(result),
    )


class ImportRunner:
    """Does jobs in a thread of its own, one at a time."""

    def __init__(self, jobs: Jobs, tenants: Tenants, quotas: Quotas) -> None:
        self._jobs, self._tenants, self._quotas = jobs, tenants, quotas
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look for jobs."""
        self._thread = threading.Thread(target=self._run, daemon=True, name="imports")
        self._thread.start()

    def wake(self) -> None:
        """Look now: a job was queued."""
        self._wake.set()

    def close(self) -> None:
        """Stop; a job under way is taken up again by whoever runs next."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(30)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                job = self._jobs.claim()
                if job is not None:
                    self._do(job)
                    continue
                for old in self._jobs.old():
                    shutil.rmtree(job_folder(self._tenants.get(old.tenant), old.id), ignore_errors=True)
                    self._jobs.forget(old.id)
            except Exception:
                # The control file may be out of reach for a while; the jobs in it wait.
                logger.exception("imports")
            self._wake.wait(2.0)
            self._wake.clear()

    def _do(self, job: Job) -> None:
        tenant = self._tenants.get(job.tenant)
        folder = job_folder(tenant, job.id)
        try:
            summary = self._imported(job, tenant, folder)
        except _Stopped:
            return
        except _Cancelled:
            self._jobs.finish(job.id, "cancelled", {})
        except RefusedError as refusal:
            self._jobs.finish(job.id, "failed", {"error": refusal.message, "cure": refusal.cure})
        except OccasionError as error:
            if is_inner(error):
                logger.exception("import", extra={"fields": {"job": job.id}})
            message, cure = told(error, f"the import {job.id}")
            message = message.replace(f"{folder}/", "")
            self._jobs.finish(job.id, "failed", {"error": message, "cure": cure})
        except Exception:
            logger.exception("import", extra={"fields": {"job": job.id}})
            self._jobs.finish(job.id, "failed", {"error": "something unforeseen happened", "cure": "the log has the cause"})
        else:
            self._jobs.finish(job.id, "done", summary)
        with suppress(OSError):
            (folder / job.options["name"]).unlink()

    def _imported(self, job: Job, tenant: Tenant, folder: Path) -> dict[str, Any]:
        from occasion.importing import import_files

        heard = 0.0

        def heard_of(done: int, total: int) -> None:
            nonlocal heard
            if self._stop.is_set():
                raise _Stopped
            if time.monotonic() - heard > BEAT_SECONDS:
                heard = time.monotonic()
                self._admit(tenant)
                if not self._jobs.beat(job.id, done, total or job.total) and done < (total or job.total):
                    raise _Cancelled

        self._admit(tenant)
        with _Beating(self._jobs, job):
            summary = import_files(
                tenant.store,
                folder / job.options["name"],
                kind=job.options["kind"],
                format=job.options["format"],
                mapping=job.options["mapping"] or None,
                event_type=job.options["event_type"],
                time_zone=tenant.settings.time_zone,
                rejects=folder / "rejects.jsonl",
                validate_only=job.options["validate_only"],
                progress=heard_of,
            )
        checked = {"valid": summary.valid, "validate_only": True} if summary.validate_only else {}
        return {
            **summary.counts(),
            **checked,
            "seconds": round(summary.seconds, 2),
            # Each says whose row it is: where that person is erased, it is found and goes.
            "warnings": [{**asdict(row), "file": row.file.replace(f"{folder}/", "")} for row in summary.warnings],
            "plan": [s.replace(f"{folder}/", "") for p in summary.plans for s in p.sentences()],
        }

    def _admit(self, tenant: Tenant) -> None:
        """Refuse to go on with an import once the tenant holds all that it may; what came before stays."""
        for kind in ("items", "events"):
            self._quotas.admit(tenant, kind, 0)


class _Stopped(Exception):
    """The process is to end."""


class _Cancelled(Exception):
    """The job is to end."""


class _Beating:
    """Says that a job goes on while one chunk of it takes long."""

    def __init__(self, jobs: Jobs, job: Job) -> None:
        self._jobs, self._job, self._end = jobs, job, threading.Event()

    def __enter__(self) -> None:
        threading.Thread(target=self._beat, daemon=True, name="import beat").start()

    def _beat(self) -> None:
        while not self._end.wait(BEAT_SECONDS):
            with suppress(OccasionError):
                self._jobs._control.rows("UPDATE job SET beat = ? WHERE id = ?", time.time(), self._job.id)

    def __exit__(self, *_: object) -> None:
        self._end.set()
