"""A remote encoder: the embeddings API of OpenAI, which many servers speak (vLLM, Ollama, LiteLLM, text-embeddings-inference)."""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import numpy as np

from occasion.encoders.texts import clean, encode_filled, unit
from occasion.errors import EncoderError

if TYPE_CHECKING:
    from httpx import Response
    from numpy.typing import NDArray

    from occasion.protocols import Progress
    from occasion.settings import Settings

    Floats = NDArray[np.float32]

__all__ = ["RemoteEncoder"]

KEY = "OPENAI_API_KEY"
PASSING = {408, 409, 425, 429, 500, 502, 503, 504}
"""Statuses after which the same request may well succeed."""
LONGEST_WAIT = 60.0
KNOWN_DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}


class _PassingError(Exception):
    """A failure worth another try; `wait` are the seconds the server asked for, None where it did not."""

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.wait = wait


class RemoteEncoder:
    """Vectors from ``POST {base_url}/embeddings``.

    The key comes from the environment variable ``OPENAI_API_KEY`` and goes nowhere but into the request's header. Neither
    key nor texts appear in errors. Redirects are not followed. What the server answers to equal texts may differ in the
    sixth digit from call to call; the vector cache keeps the first answer.

    Parameters
    ----------
    model : str
        The server's name of the model.
    base_url : str
        Address up to and without ``/embeddings``.
    dimensions : int
        Length of vectors asked for; 0: the model's own.
    batch : int
        Texts a request, 1 to 2048.
    timeout : float
        Seconds a request may take, > 0.
    attempts : int
        Tries of a request before giving up, >= 1.
    pause : float
        Seconds before the second try; doubled before each further one, with up to a half more by chance. A ``Retry-After``
        of the server goes before; no wait is longer than 60 s.
    price : float
        Price of a million tokens, in any currency, for `cost`.

    Attributes
    ----------
    requests, tokens : int
        Sent, and counted by the server, so far.

    Raises
    ------
    EncoderError
        Without a key for api.openai.com, or for an address that is none.
    """

    LIMIT = 6000
    """Characters of a text that are sent; 8,191 tokens is the most that OpenAI takes."""

    def __init__(
        self,
        model: str,
        *,
        base_url: str = "https://api.openai.com/v1",
        dimensions: int = 0,
        batch: int = 128,
        timeout: float = 30.0,
        attempts: int = 6,
        pause: float = 0.5,
        price: float = 0.0,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise EncoderError(f"openai_base_url is {base_url!r}. Cure: an address like https://api.openai.com/v1")
        self._key = os.environ.get(KEY, "").strip()
        if not self._key and parts.hostname == "api.openai.com":
            raise EncoderError(f"openai:{model} needs a key. Cure: set the environment variable {KEY}.")
        self.model, self.batch, self.attempts, self.pause, self.price = model, batch, attempts, pause, price
        self.requests = self.tokens = 0
        self._dimensions, self._timeout = dimensions, timeout
        self._url, self._place = base_url.rstrip("/") + "/embeddings", parts.netloc.rpartition("@")[2]

    @classmethod
    def from_spec(cls, argument: str, settings: Settings) -> RemoteEncoder:
        """Return the encoder for the spec ``openai:<model>``."""
        argument = argument.strip()
        if not argument:
            raise EncoderError("openai names no model. Cure: write openai:text-embedding-3-small or another model of the server.")
        return cls(argument, base_url=settings.openai_base_url, dimensions=settings.openai_dimensions)

    @property
    def version(self) -> str:
        """Model, place and dimensions."""
        return f"openai-{self.model}-{self._place}-{self.dim}"

    @cached_property
    def dim(self) -> int:
        """Length of a vector; for a model that is not known, one request finds out."""
        return self._dimensions or KNOWN_DIMENSIONS.get(self.model) or self._request(["dimension"], None).shape[1]

    def learn_dimension(self, wait: float) -> int:
        """Return `dim`; where the server must be asked for it, once, for `wait` seconds at most.

        Raises
        ------
        EncoderError
            Where it does not answer.
        """
        patient = self.attempts, self._timeout
        self.attempts, self._timeout = 1, wait
        try:
            return self.dim
        finally:
            self.attempts, self._timeout = patient

    @property
    def cost(self) -> float:
        """Price of the tokens so far."""
        return self.tokens * self.price / 1e6

    def encode(
        self, texts: Sequence[str], *, role: Literal["query", "item"] = "item", progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Return unit vectors (n, dim); zeros for texts that say nothing, which are not sent. The role makes no difference.

        Raises
        ------
        EncoderError
            For what is no text; where the server refuses, cannot be reached, or keeps giving unusable answers.
        """
        return encode_filled(
            clean(texts, self.LIMIT), self.dim, lambda some: self._request(some, self.dim), batch=self.batch, progress=progress
        )

    def _request(self, texts: list[str], dim: int | None) -> Floats:
        """Return unit vectors (n, dim) of one request, tried several times."""
        for attempt in range(1, self.attempts + 1):
            try:
                return self._try(texts, dim)
            except _PassingError as error:
                if attempt == self.attempts:
                    raise EncoderError(
                        f"{self._place} gave no usable answer in {attempt} tries, at last: {error}. Cure: try later; what was "
                        "encoded before is kept in the vector cache."
                    ) from None
                backoff = self.pause * 2 ** (attempt - 1) * random.uniform(1, 1.5)
                time.sleep(min(backoff if error.wait is None else error.wait, LONGEST_WAIT))
        raise EncoderError(f"attempts is {self.attempts}. Cure: 1 or more.")

    def _try(self, texts: list[str], dim: int | None) -> Floats:
        import httpx

        body: dict[str, Any] = {"model": self.model, "input": texts, "encoding_format": "float"}
        if self._dimensions:
            body["dimensions"] = self._dimensions
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self.requests += 1
        try:
            response = httpx.post(self._url, json=body, headers=headers, timeout=self._timeout)
        except httpx.TransportError as error:
            raise _PassingError(type(error).__name__) from None
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise EncoderError(
                f"the request to {self._place} cannot be made: {type(error).__name__}. Cure: check key and address."
            ) from None
        self._check_status(response)
        return self._vectors(response, len(texts), dim)

    def _check_status(self, response: Response) -> None:
        if response.status_code == 200:
            return
        what = f"status {response.status_code}{_error_code(response)}"
        if response.status_code in PASSING and "insufficient_quota" not in what:
            raise _PassingError(what, _retry_after(response))
        raise EncoderError(
            f"{self._place} refused the request: {what}. Cure: check the key ({KEY}), the model name and the address."
        )

    def _vectors(self, response: Response, n: int, dim: int | None) -> Floats:
        """Return the unit vectors (n, dim) of an answer, by the index of each."""
        try:
            answer = response.json()
            entries = sorted(answer["data"], key=lambda entry: int(entry["index"]))
            made = np.array([entry["embedding"] for entry in entries], np.float32)
            whole = [entry["index"] for entry in entries] == list(range(n)) and made.ndim == 2 and bool(np.isfinite(made).all())
        except (ValueError, KeyError, TypeError, OverflowError):
            raise _PassingError("an answer of another shape than the embeddings API's") from None
        if not whole:
            raise _PassingError(f"an answer that does not hold {n} vectors")
        if dim is not None and made.shape[1] != dim:
            raise EncoderError(f"{self.model} gives {made.shape[1]} dimensions, {dim} were due. Cure: set openai_dimensions right.")
        usage = answer.get("usage")
        self.tokens += int(usage.get("total_tokens") or 0) if isinstance(usage, dict) else 0
        return unit(made)


def _error_code(response: Response) -> str:
    """Return the machine-readable part of an error; its message may repeat what was sent."""
    try:
        error = response.json()["error"]
        code = str(error.get("code") or error.get("type") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return f" ({code})" if re.fullmatch(r"[a-z_]{1,40}", code) else ""


def _retry_after(response: Response) -> float | None:
    """Return the seconds of a Retry-After header, given as seconds or as a date."""
    value = response.headers.get("retry-after", "")
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
