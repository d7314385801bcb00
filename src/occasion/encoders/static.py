"""Static: one vector a token, summed; numpy and tokenizers alone. A student that `occasion distill` made of a larger model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from occasion.encoders.plan import fingerprint
from occasion.encoders.texts import clean, encode_filled, unit
from occasion.errors import EncoderError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.protocols import Progress
    from occasion.settings import Settings

    Floats = NDArray[np.float32]

__all__ = ["StaticEncoder"]

BATCH = 512
FILES = ("student.npz", "tokenizer.json", "student.json")


class StaticEncoder:
    """``unit(sum over tokens t of w_t v_t)``: no attention, no order of words, some tens of microseconds a text.

    Parameters
    ----------
    folder : Path
        ``student.npz`` with ``vectors`` (tokens, dim) and ``weights`` (tokens,), ``tokenizer.json``, and ``student.json`` with
        ``max_tokens`` (int), ``query`` and ``item`` (what is put before a text of this role).

    Raises
    ------
    EncoderError
        Where a file is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        missing = [name for name in FILES if not (folder / name).is_file()]
        if missing:
            raise EncoderError(f"{folder} holds no {missing[0]}. Cure: name a folder that `occasion distill` wrote.")
        try:
            about = json.loads((folder / "student.json").read_text("utf-8"))
            self.max_tokens = int(about["max_tokens"])
            self._prefix = {"query": str(about["query"]), "item": str(about["item"])}
            with np.load(folder / "student.npz", allow_pickle=False) as arrays:
                self._vectors, weights = np.asarray(arrays["vectors"], np.float32), np.asarray(arrays["weights"], np.float32)
            if self._vectors.ndim != 2 or weights.shape != (len(self._vectors),) or self.max_tokens < 1:
                raise ValueError(f"shapes {self._vectors.shape} and {weights.shape}, {self.max_tokens} tokens")
            if not (np.isfinite(self._vectors).all() and np.isfinite(weights).all()):
                raise ValueError("values that are not finite")
            self._vectors *= weights[:, None]
            self._tokenizer = _tokenizer(folder / "tokenizer.json", self.max_tokens)
        except Exception as error:
            raise EncoderError(f"the student in {folder} cannot be read: {error}. Cure: distil it anew.") from error
        self.dim = int(self._vectors.shape[1])
        self.version = f"static-{folder.resolve().name}-{fingerprint([folder / name for name in FILES])}"

    @classmethod
    def from_spec(cls, argument: str, settings: Settings) -> StaticEncoder:
        """Return the encoder for the spec ``static:<folder>``."""
        if not argument:
            raise EncoderError("static names no folder. Cure: write static:<folder that `occasion distill` wrote>.")
        return cls(Path(argument).expanduser())

    def encode(
        self, texts: Sequence[str], *, role: Literal["query", "item"] = "item", progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Return unit vectors (n, dim); zeros for texts that say nothing. Texts are cut at `max_tokens`.

        Raises
        ------
        EncoderError
            For what is no text.
        """
        prefix = self._prefix[role]
        cleaned = clean(texts, 20 * self.max_tokens)
        return encode_filled(cleaned, self.dim, lambda some: self._sums(prefix, some), batch=BATCH, progress=progress)

    def _sums(self, prefix: str, texts: list[str]) -> Floats:
        tokens = [entry.ids for entry in self._tokenizer.encode_batch([prefix + t for t in texts], add_special_tokens=False)]
        sizes = np.array([len(ids) for ids in tokens])
        out = np.zeros((len(texts), self.dim), np.float32)
        filled = np.flatnonzero(sizes)
        if len(filled):
            flat = np.fromiter((i for ids in tokens for i in ids), np.int64, int(sizes.sum()))
            # A token added to a tokenizer later has no vector.
            rows = self._vectors[np.minimum(flat, len(self._vectors) - 1)]
            out[filled] = np.add.reduceat(rows, (np.cumsum(sizes) - sizes)[filled], axis=0)
        return unit(out)


def _tokenizer(path: Path, max_tokens: int) -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    return tokenizer
