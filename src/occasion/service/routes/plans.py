"""Routes of imports that are looked at before they begin: how a file would be understood, start, cancel; and the demo's data."""

from __future__ import annotations

import shutil
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from occasion.errors import DataError, split_cure
from occasion.importing import preview_file
from occasion.importing.synonyms import ROLES
from occasion.service.callers import Call, Writer
from occasion.service.failures import RefusedError
from occasion.service.jobs import Job, job_folder
from occasion.service.routes.imports import ImportOut, Imports, JobId, job_document, job_of, mapping_of
from occasion.service.routes.replies import errors, reply
from occasion.service.schemas.base import Id
from occasion.service.schemas.imports import FormatName, KindName, PlanOut, StartIn

__all__ = ["router"]

router = APIRouter(tags=["imports"])
LENGTH = 80
"""Characters shown of an example."""


def _must_wait(job: Job) -> None:
    if job.state != "held":
        raise RefusedError(409, f"The import is {job.state}.", cure="Send the file anew, with hold=true.")


@router.get("/imports/{job}/plan", response_model=PlanOut, responses=errors(404, 409))
async def plan(
    job: JobId,
    call: Writer,
    kind: Annotated[KindName, Query()] = "auto",
    format: Annotated[FormatName, Query()] = "auto",
    event_type: Annotated[Id | None, Query()] = None,
    map: Annotated[list[str], Query(max_length=100, description="role=column where the guess is wrong; repeat it.")] = [],  # noqa: B006
) -> Response:
    """Say how a file that is held would be understood: what each column becomes and why, with its first values."""
    found = await job_of(call, job)
    _must_wait(found)
    path = job_folder(call.tenant, job) / found.options["name"]
    mapping = mapping_of(map)

    def work() -> dict[str, Any]:
        try:
            made, sample, trouble = preview_file(path, kind=kind, format=format, event_type=event_type, mapping=mapping)
        except DataError as error:
            made, sample, trouble = None, {}, str(error)
        said, cure = split_cure(trouble.replace(f"{path.parent}/", ""))
        uses = {} if made is None else {use.column: use for use in made.columns}
        columns = [
            {
                "column": name,
                "role": uses[name].role if name in uses else "",
                "form": uses[name].form if name in uses else "",
                "why": uses[name].why if name in uses else "",
                "examples": [str(value)[:LENGTH] for value in values],
            }
            for name, values in sample.items()
        ]
        chosen = made.kind if made is not None else kind
        told = {"kind": chosen, "format": made.format if made is not None else format, "columns": columns}
        notes = list(made.notes) if made is not None else []
        roles = [*ROLES.get(chosen, {}), "ignored"]
        return {"name": found.options["name"], **told, "roles": roles, "notes": notes, "error": said, "cure": cure}

    return reply(await call.service.writes.run(work))


@router.post("/imports/{job}/start", response_model=ImportOut, responses=errors(404, 409))
async def start(job: JobId, body: StartIn, call: Writer) -> Response:
    """Import a file that is held, as told."""
    found = await job_of(call, job)
    _must_wait(found)
    options = {**found.options, **body.model_dump()}
    if not await call.service.writes.run(lambda: call.service.jobs.release(job, call.tenant.name, options)):
        _must_wait(await job_of(call, job))
    call.service.imports.wake()
    return reply(job_document(await job_of(call, job)))


@router.post("/imports/{job}/cancel", response_model=ImportOut, responses=errors(404))
async def cancel(job: JobId, call: Writer) -> Response:
    """Let an import end before it is done: at once, or within a second or two. Rows that are stored already stay."""
    await job_of(call, job)

    def work() -> Job:
        call.service.jobs.cancel(job, call.tenant.name)
        found = call.service.jobs.get(job, call.tenant.name)
        if found.state == "cancelled" and "name" in found.options:
            # Nobody will read it any more, and it may hold rows of people.
            (job_folder(call.tenant, job) / found.options["name"]).unlink(missing_ok=True)
        return found

    return reply(job_document(await call.service.writes.run(work)))


@router.post("/imports/demo", status_code=202, response_model=Imports, responses=errors(409))
async def demo(call: Writer) -> Response:
    """Import the groceries that come with the package, in the background; the store must be empty."""
    from occasion.demo.dataset import tables
    from occasion.demo.loading import MARK

    def work() -> list[Job]:
        store = call.tenant.store
        if store.get_state(MARK) is None and any(store.counts()[name] for name in ("items", "events")):
            raise RefusedError(409, "The store holds other data.", cure="Use a tenant or a home of its own for the demo.")
        store.put_state(MARK, "groceries")
        return [_queued(call, kind, path) for kind, path in tables().items()]

    jobs = await call.service.writes.run(work)
    call.service.imports.wake()
    return reply({"imports": [job_document(job) for job in jobs]}, 202)


def _queued(call: Call, kind: str, path: Any) -> Job:
    job_id = call.service.jobs.new_id()
    folder = job_folder(call.tenant, job_id)
    folder.mkdir(parents=True)
    shutil.copyfile(path, folder / path.name)
    options = {"name": path.name, "kind": kind, "format": "auto", "event_type": None, "mapping": {}, "validate_only": False}
    call.service.jobs.submit(job_id, call.tenant.name, options, path.stat().st_size)
    return call.service.jobs.get(job_id, call.tenant.name)
