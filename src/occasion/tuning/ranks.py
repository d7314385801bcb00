"""Ranks: what processes that train together know of each other; a process on its own is rank 0 of 1.

Gathering follows the usual way of contrastive losses on several devices (SimCLR: Chen et al., 2020): every rank sees the vectors
of all, takes the loss of its own lessons, and the mean of the gradients is that of one process with all the lessons.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed

__all__ = ["agreed", "count", "everyone", "gather", "joined", "rank", "wait"]

T = TypeVar("T")
distributed: Any = torch.distributed


@contextmanager
def joined(own: int, of: int, meeting: Path, *, cuda: bool) -> Iterator[None]:
    """Be rank `own` of `of` while the block runs: over nccl on the CUDA device of that number, else over gloo on the CPU.

    Parameters
    ----------
    meeting : Path
        File by which the ranks find each other; no rank of an earlier run has used it.
    """
    if cuda:
        torch.cuda.set_device(own)
    else:
        # All are on this machine: nobody else shall reach them.
        for name in {name for _, name in socket.if_nameindex()} & {"lo", "lo0"}:
            os.environ["GLOO_SOCKET_IFNAME"] = name
    distributed.init_process_group(
        "nccl" if cuda else "gloo", store=distributed.FileStore(str(meeting), of), rank=own, world_size=of,
        device_id=torch.device("cuda", own) if cuda else None,
    )  # fmt: skip
    yield
    # Not where the block failed: others may wait for this rank, and it would for them.
    distributed.destroy_process_group()


def _alone() -> bool:
    return not (distributed.is_available() and distributed.is_initialized())


def rank() -> int:
    """Return the number of this process, from 0."""
    return 0 if _alone() else int(distributed.get_rank())


def count() -> int:
    """Return how many train together."""
    return 1 if _alone() else int(distributed.get_world_size())


def gather(rows: torch.Tensor) -> torch.Tensor:
    """Return the rows (n, ...) of all ranks in their order, (count * n, ...); gradients flow back to where a row is from."""
    apply: Any = _Gathered.apply
    return rows if count() == 1 else apply(rows)


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor) -> torch.Tensor:
        parts = [torch.empty_like(rows) for _ in range(count())]
        distributed.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *outputs: torch.Tensor) -> torch.Tensor:
        # Every rank's loss speaks of the rows of all.
        whole = outputs[0].clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(whole)
        return whole.chunk(count())[rank()]


def everyone(part: T) -> list[T]:
    """Return what every rank handed in, in their order."""
    if count() == 1:
        return [part]
    parts: list[T] = [part] * count()
    distributed.all_gather_object(parts, part)
    return parts


def agreed(value: T) -> T:
    """Return what rank 0 handed in."""
    if count() == 1:
        return value
    values = [value]
    distributed.broadcast_object_list(values, src=0)
    return values[0]


def wait() -> None:
    """Wait until every rank has come here."""
    if count() > 1:
        distributed.barrier()
