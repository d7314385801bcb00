"""Named arrays in one file, read where they lie in it: all processes that read it share its memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from zlib import crc32

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["read_arrays", "read_sealed", "write_arrays", "write_sealed"]

ALIGNED = 64
"""Arrays begin at multiples of so many bytes."""
SEAL = 4
"""Bytes of the checksum behind all others in a sealed file."""


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays to one file: npy blocks, one behind the other, the names as JSON in the first."""
    names = np.frombuffer(json.dumps(list(arrays)).encode(), np.uint8)
    with path.open("wb") as file:
        for array in (names, *arrays.values()):
            np.save(file, array, allow_pickle=False)
            file.write(bytes(-file.tell() % ALIGNED))


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays that `write_arrays` wrote, where they lie in the file; what is written to them stays in this process.

    Raises
    ------
    OSError, ValueError
        Where the file cannot be read, or is no such file.
    """
    return _arrays(path, np.asarray(np.memmap(path, np.uint8, "c")))


def _arrays(path: Path, content: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file with its content."""
    with path.open("rb") as file:
        names: list[str] = json.loads(_block(file, content).tobytes())
        return {name: _block(file, content) for name in names}


def _block(file: BinaryIO, content: NDArray[np.uint8]) -> NDArray[Any]:
    """Return the array whose block begins where a file is read, and go on behind it."""
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("an array has another format")
    shape, columnwise, dtype = np.lib.format.read_array_header_1_0(file)
    if columnwise:
        raise ValueError("an array has another order")
    start, size = file.tell(), dtype.itemsize * int(np.prod(shape))
    file.seek(start + size + -(start + size) % ALIGNED)
    return content[start : start + size].view(dtype).reshape(shape)


def write_sealed(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays to one file as `write_arrays` does, and a checksum behind them."""
    write_arrays(path, arrays)
    with path.open("r+b") as file:
        crc = 0
        while block := file.read(1 << 22):
            crc = crc32(block, crc)
        file.write(crc.to_bytes(SEAL, "little"))


def read_sealed(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays that `write_sealed` wrote, where they lie in the file; what is written to them stays in this process.

    Raises
    ------
    OSError, ValueError
        Where the file cannot be read, is no such file, or is not what was written.
    """
    content = np.asarray(np.memmap(path, np.uint8, "c"))
    if len(content) < SEAL or crc32(content[:-SEAL].data) != int.from_bytes(content[-SEAL:].tobytes(), "little"):
        raise ValueError("its checksum is not the one recorded")
    return _arrays(path, content)
