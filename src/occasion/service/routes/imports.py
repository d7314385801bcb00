"""Routes of imports: a file is sent, imported in the background, and what was rejected can be fetched."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

import anyio
import anyio.to_thread
from fastapi import APIRouter, Path, Query, Request
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from occasion.errors import DataError
from occasion.importing import FORMATS
from occasion.privacy.rejected import FILE
from occasion.service.callers import Call, Writer
from occasion.service.failures import RefusedError
from occasion.service.jobs import Job, job_folder
from occasion.service.quotas import WAITING_IMPORTS
from occasion.service.routes.replies import errors, reply
from occasion.service.schemas.base import Id, Shown
from occasion.service.schemas.imports import FormatName, KindName

__all__ = ["ImportOut", "Imports", "JobId", "job_document", "job_of", "mapping_of", "router"]

router = APIRouter(tags=["imports"])
JobId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
RESULT = (
    "Done: rows, new, unchanged, rejected by reason, plan; warned, the number of rows taken with signals that cannot be, and "
    "warnings, the first of these with file, line, signals and who. Failed: error and cure."
)
FULL = "Wait until one has ended, or remove files that are held: GET /v1/imports tells their state."
assert set(FORMATS) < {"auto", "csv", "tsv", "atomic", "jsonl", "parquet"}
_FILE = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary", "description": "The file as it is."}}
        },
    }
}


class ImportOut(Shown):
    """An import and how far it is."""

    id: str
    state: Literal["held", "queued", "running", "cancelling", "done", "failed", "cancelled"]
    name: str
    created: float
    done: int = Field(description="Bytes dealt with.")
    total: int = Field(description="Bytes in all.")
    result: dict[str, Any] = Field(description=RESULT)


class Imports(Shown):
    """The tenant's imports of the last days, newest first."""

    imports: list[ImportOut]


def job_document(job: Job) -> dict[str, Any]:
    """Return a job as it is shown."""
    named = {"id": job.id, "state": job.state, "name": job.options["name"], "created": job.created}
    return {**named, "done": job.done, "total": job.total, "result": job.result}


def mapping_of(pairs: list[str]) -> dict[str, str]:
    """Return ``role=column`` pairs as a mapping."""
    out = {}
    for pair in pairs:
        role, found, column = pair.partition("=")
        if not found or not role or not column:
            raise DataError(f"map is {pair!r:.100}. Cure: role=column, for example text.title=NAME.")
        out[role] = column
    return out


@router.post("/imports", status_code=202, response_model=ImportOut, responses=errors(409), openapi_extra=_FILE)
async def start_import(
    request: Request,
    call: Writer,
    name: Annotated[str, Query(max_length=100, description="The file's name: its ending tells the format.")] = "upload",
    kind: Annotated[KindName, Query()] = "auto",
    format: Annotated[FormatName, Query()] = "auto",
    event_type: Annotated[Id | None, Query(description="Type of events whose row names none.")] = None,
    map: Annotated[list[str], Query(max_length=100, description="role=column where the guess is wrong; repeat it.")] = [],  # noqa: B006
    validate_only: Annotated[bool, Query(description="Check everything, write nothing.")] = False,
    hold: Annotated[bool, Query(description="Keep the file and wait for its start: see its plan first.")] = False,
) -> Response:
    """Take a file (CSV, TSV, JSON lines, Parquet, RecBole's; also .gz) and import it in the background.

    Importing the same file twice changes nothing. A job survives the death of any process and goes on where it was.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._") or "upload"
    if plain == FILE:
        # Rejected rows are listed beside the file, under this name.
        plain = f"upload-{FILE}"
    options: dict[str, Any] = {"name": plain, "kind": kind, "format": format, "event_type": event_type, "mapping": mapping_of(map)}
    options["validate_only"] = validate_only
    jobs = call.service.jobs
    if await call.service.writes.run(lambda: jobs.unfinished(call.tenant.name)) >= WAITING_IMPORTS:
        raise RefusedError(409, f"{WAITING_IMPORTS} imports of this tenant wait or run already.", cure=FULL)
    job_id = jobs.new_id()
    folder = job_folder(call.tenant, job_id)
    size = await _saved(request, folder, plain)

    def submitted() -> Job:
        jobs.submit(job_id, call.tenant.name, options, size, hold=hold)
        return jobs.get(job_id, call.tenant.name)

    job = await call.service.writes.run(submitted)
    call.service.imports.wake()
    return reply(job_document(job), 202)


async def _saved(request: Request, folder: FilePath, name: str) -> int:
    """Write the body to a file as it comes; return its size. A body that breaks off leaves nothing."""
    try:
        await anyio.to_thread.run_sync(lambda: folder.mkdir(parents=True))
        async with await anyio.open_file(folder / name, "wb") as file:
            async for piece in request.stream():
                await file.write(piece)
            size = await file.tell()
        if not size:
            raise RefusedError(422, "The body is empty.", cure="Send the file as the body.")
    except BaseException:
        # Also where the request was cancelled: it is waited for all the same.
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))
        raise
    return size


@router.get("/imports", response_model=Imports, responses=errors())
async def imports(call: Writer, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> Response:
    """Return the tenant's imports of the last seven days, newest first."""
    found = await call.service.writes.run(lambda: call.service.jobs.all(call.tenant.name, limit))
    return reply({"imports": [job_document(job) for job in found]})


async def job_of(call: Call, job_id: str) -> Job:
    """Return a job of the caller's tenant."""
    return await call.service.writes.run(lambda: call.service.jobs.get(job_id, call.tenant.name))


@router.get("/imports/{job}", response_model=ImportOut, responses=errors(404))
async def get_import(job: JobId, call: Writer) -> Response:
    """Say how far an import is."""
    return reply(job_document(await job_of(call, job)))


@router.get(
    "/imports/{job}/rejects",
    response_class=Response,
    responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}, **errors(404)},
)
async def rejects(job: JobId, call: Writer) -> Response:
    """Return the rows that an import could not take, one JSON object a line: file, line, column, value, reason."""
    await job_of(call, job)
    folder = job_folder(call.tenant, job)
    return StreamingResponse(_lines(folder / FILE, f"{folder}/"), media_type="application/x-ndjson")


def _lines(path: FilePath, inner: str) -> Iterator[bytes]:
    """Yield the lines of a list of rejected rows; where the file lay in the service is nobody's business."""
    place = json.dumps(inner, ensure_ascii=False)[:-1].encode("utf-8", "replace")
    if path.exists():
        with path.open("rb") as file:
            for line in file:
                yield line.replace(place, b'"', 1)


@router.delete("/imports/{job}", status_code=204, response_class=Response, responses=errors(404, 409))
async def delete_import(job: JobId, call: Writer) -> Response:
    """Forget an import that has ended or not begun, its rejected rows included; what it brought in stays."""
    found = await job_of(call, job)
    if found.state in ("queued", "running", "cancelling"):
        raise RefusedError(409, "The import has not ended.", cure="Wait for it, or cancel it.")

    def work() -> None:
        shutil.rmtree(job_folder(call.tenant, job), ignore_errors=True)
        call.service.jobs.forget(job)

    await call.service.writes.run(work)
    return Response(status_code=204)
