"""Rate limits: a token bucket a key and a tenant, shared by all workers of a home through a small file mapped into memory.

A bucket holds at most a minute's worth of requests and refills evenly. 16 bytes each: (tokens, when). The file is locked for
some microseconds a request; a process that dies gives its lock back. Where the system has no such locks (Windows), each
process counts by itself.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
import time
from pathlib import Path

from occasion.service.keys import MAX_KEYS, AccessKey
from occasion.service.quotas import Quota

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["RateLimits"]

_BUCKET = struct.Struct("<dd")


class RateLimits:
    """Token buckets of all keys.

    Parameters
    ----------
    path : Path
        Made where it is missing; losing it gives everybody a full bucket.
    per_minute : int
        Requests a minute of a key that has no limit of its own; 0: none.
    """

    def __init__(self, path: Path, per_minute: int) -> None:
        self.per_minute = per_minute
        self._lock = threading.Lock()
        size = MAX_KEYS * 4 * _BUCKET.size
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._map = self._mapped(size)
        self._slots = size // _BUCKET.size

    def _mapped(self, size: int) -> mmap.mmap:
        try:
            if os.fstat(self._file).st_size < size:
                # Zeros, not a hole: a disk that fills up later would kill the process at the first touch of one.
                os.pwrite(self._file, bytes(size), 0)
            return mmap.mmap(self._file, size)
        except (OSError, ValueError):
            # No room: each process counts by itself until it is started again.
            return mmap.mmap(-1, size)

    def wait(self, key: AccessKey, cost: float = 1.0) -> float:
        """Take `cost` from a key's bucket; return 0, or the seconds until it will hold as much (and then nothing is taken)."""
        return self._take(key.slot % (self._slots // 2), (key.per_minute or self.per_minute) / 60, cost)

    def wait_tenant(self, quota: Quota, cost: float = 1.0) -> float:
        """Do the same with the bucket that all keys of a tenant share."""
        return self._take(self._slots - 1 - quota.slot % (self._slots // 2), quota.per_minute / 60, cost)

    def _take(self, slot: int, rate: float, cost: float) -> float:
        if rate <= 0:
            return 0.0
        at = slot * _BUCKET.size
        with self._lock:
            self._hold()
            try:
                tokens, when = _BUCKET.unpack_from(self._map, at)
                now, most = time.time(), rate * 60
                # A fresh bucket, and a clock that jumped, are full.
                tokens = most if not 0 < when <= now else min(most, tokens + (now - when) * rate)
                wait = 0.0 if tokens >= cost else (min(cost, most) - tokens) / rate
                _BUCKET.pack_into(self._map, at, tokens - (cost if wait == 0 else 0), now)
                return wait
            finally:
                self._release()

    def _hold(self) -> None:
        if fcntl is not None:
            fcntl.flock(self._file, fcntl.LOCK_EX)

    def _release(self) -> None:
        if fcntl is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()
        os.close(self._file)
