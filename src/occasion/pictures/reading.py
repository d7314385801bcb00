"""Pictures from files to squares of pixels: only files inside one folder, only up to a size, only formats for pictures.

Whoever may write items may name a path, so a path is taken for nothing but a place in the folder of the settings: no address is
fetched, no link followed out of it, and what is no plain file is not opened.
"""

from __future__ import annotations

import io
import os
import stat
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from occasion.errors import MissingExtraError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PictureFile", "PictureFolder", "Trouble", "need_pillow", "read_bytes", "to_square"]

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF")
MAX_BYTES = 32 << 20
"""Largest file that is read."""
MAX_PIXELS = 50_000_000
"""Largest picture that is unpacked: 150 MB; a file of some kilobytes may claim to hold billions."""


class Trouble(Exception):
    """Why a picture cannot be had.

    Parameters
    ----------
    kind : ``missing``, ``outside``, ``address`` or ``broken``
    why : str
    """

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind, self.why = kind, why


class PictureFile(NamedTuple):
    """A file that was looked at, not read: its path, size in bytes, and time of change in nanoseconds."""

    path: Path
    size: int
    changed: int


class PictureFolder:
    """The one folder that pictures are read from.

    Parameters
    ----------
    folder : Path
        It need not exist yet, and may itself be a link.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._root = folder.resolve()

    def find(self, named: str) -> PictureFile:
        """Return the file that an item's path means.

        Raises
        ------
        Trouble
            Where it is an address, leads out of the folder, or is no file that can be read.
        """
        if "://" in named or named.startswith("data:"):
            raise Trouble("address", "an address; pictures are read from files alone")
        try:
            path = (self._root / named).resolve()
            if not path.is_relative_to(self._root):
                raise Trouble("outside", "leads out of the folder of pictures")
            found = path.stat()
        except (OSError, ValueError, RuntimeError) as error:
            # A name that no file can have, or links in a circle.
            raise Trouble("missing", f"no such file: {getattr(error, 'strerror', None) or error}") from None
        if not stat.S_ISREG(found.st_mode):
            raise Trouble("missing", "no plain file")
        if found.st_size > MAX_BYTES:
            raise Trouble("broken", f"{found.st_size >> 20} MB large; up to {MAX_BYTES >> 20} MB are read")
        return PictureFile(path, found.st_size, found.st_mtime_ns)


def read_bytes(file: PictureFile) -> bytes:
    """Return the content of a file that `PictureFolder.find` found.

    Raises
    ------
    Trouble
        Where it cannot be read, or is no longer what was found.
    """
    # What was a file when it was looked at may be a link or a pipe by now; neither is followed nor waited for.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        with open(os.open(file.path, flags), "rb") as opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise Trouble("missing", "no plain file")
            content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise Trouble("missing", f"cannot be read: {error.strerror or error}") from None
    if len(content) > MAX_BYTES:
        raise Trouble("broken", f"more than {MAX_BYTES >> 20} MB large")
    return content


def need_pillow() -> None:
    """Make sure that pictures can be read.

    Raises
    ------
    MissingExtraError
        Without Pillow.
    """
    try:
        import PIL.Image  # noqa: F401
    except ImportError:
        raise MissingExtraError("reading pictures", "images") from None


def to_square(content: bytes, side: int) -> NDArray[np.uint8]:
    """Return a picture's first frame as (side, side, 3): upright, whole, on white, red green and blue from 0 to 255.

    The longer edge is scaled to `side` and the rest filled with white, as nothing of a product is to be cut off.

    Raises
    ------
    Trouble
        For what is no picture, is damaged, or holds more than `MAX_PIXELS`.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures; they are refused here, by their size alone.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    raise Trouble("broken", f"{width} x {height} pixels; up to {MAX_PIXELS:,} are unpacked")
                # JPEG can be unpacked at an eighth of its size.
                image.draft(None, (2 * side, 2 * side))
                upright = ImageOps.exif_transpose(image)
                whole = upright.convert("RGBA") if upright.has_transparency_data else upright.convert("RGB")
                small = ImageOps.contain(whole, (side, side), Image.Resampling.BICUBIC)
                square = Image.new("RGB", (side, side), "white")
                place = ((side - small.width) // 2, (side - small.height) // 2)
                square.paste(small, place, small if small.mode == "RGBA" else None)
                return np.asarray(square, np.uint8)
    except Trouble:
        raise
    except Image.DecompressionBombError:
        raise Trouble("broken", f"too many pixels; up to {MAX_PIXELS:,} are unpacked") from None
    except Exception as error:
        # Decoders fail in many ways on damaged files, and one picture must never stop the others.
        raise Trouble("broken", f"no picture that can be read: {str(error)[:100] or type(error).__name__}") from None
