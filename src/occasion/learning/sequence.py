"""Sequence model: a small causal transformer over the last items; trained with torch, served with numpy.

It reads each item together with the moment of the next one, how long after that came and its signals; last, the moment asked about.
An item is its frozen text vector through a learned projection plus a small trainable delta. The delta is dropped at random
while training, so that an item without events (delta zero) is scored by its text. Scores are cosines with a learned
temperature under a softmax over all items, or of very many over some
[Klenitskiy & Vasilev 2023, "Turning dross into gold loss"; Kang & McAuley 2018, SASRec].
"""

from __future__ import annotations

import importlib.util
import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.learning.lessons import moment_codes
from occasion.learning.scored import Coarse, Nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from occasion.learning.dataset import Events, Requests

    Floats = NDArray[np.float32]

__all__ = ["SequenceModel", "has_torch"]

HEADS = 2
MASKED = -1e9
"""Logit of a place that must not be looked at."""


def has_torch() -> bool:
    """Whether training is possible here."""
    return importlib.util.find_spec("torch") is not None


class SequenceModel:
    """The trained arrays and the forward pass.

    Attributes
    ----------
    arrays : dict of name to array
        `items` (items, d) unit rows as scored, `inputs` (items, d) as read, then each layer's weights, float32. Where there is a
        clock or there are signals, also `moments` (rows, d), what a moment adds to what is read, `offset` (s,) its row of each
        signal's first code, and whether gaps are read, `clock` (1,).
    length : int
        Items read at most.
    """

    def __init__(self, arrays: dict[str, NDArray[Any]], length: int) -> None:
        self.arrays, self.length = arrays, length

    def hidden(self, requests: Requests) -> Floats:
        """Return the state after the newest item (B, d); zero where there is no history."""
        a = self.arrays
        # Places that no history reaches say nothing.
        n = min(self.length, max(int(requests.back.max(initial=0)) + 1, 1))
        d = a["inputs"].shape[1]
        last = np.flatnonzero(requests.back < n)
        rows, place = requests.row[last], n - 1 - requests.back[last]
        x = np.zeros((len(requests), n, d), np.float32)
        x[rows, place] = a["inputs"][requests.item[last]]
        if "moments" in a:
            x[rows, place] += self._moments(requests, last)
        real = np.zeros((len(requests), n), bool)
        real[rows, place] = True
        layers = sum(name.startswith("qkv_w") for name in a)
        for k in range(layers):
            x = self._layer(x, real, k, final=k == layers - 1)
        out = _normal(x[:, -1], a["out_g"], a["out_b"])
        out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)
        return np.asarray(out * real[:, -1:], np.float32)

    def _moments(self, requests: Requests, rows: NDArray[np.int64]) -> Floats:
        """Return what is added to some history events (n, d): the moment of the next event, of the newest the request's."""
        newest, asked = requests.back[rows] == 0, requests.row[rows]
        after = np.minimum(rows + 1, len(requests.item) - 1)
        signals = np.where(newest[:, None], requests.signals[asked], requests.past[after])
        gap = None
        if self.arrays["clock"][0]:
            gap = np.where(newest, requests.time[asked], requests.when[after]) - requests.when[rows]
        return np.asarray(self.arrays["moments"][moment_codes(gap, signals, self.arrays["offset"])].sum(1), np.float32)

    def _layer(self, x: Floats, real: NDArray[np.bool_], k: int, *, final: bool) -> Floats:
        """One block over (B, L, d); the last block only needs the last place."""
        a, (b, n, d) = self.arrays, x.shape
        y = _normal(x, a[f"norm1_g{k}"], a[f"norm1_b{k}"])
        qkv = (y.reshape(-1, d) @ a[f"qkv_w{k}"].T + a[f"qkv_b{k}"]).reshape(b, n, 3 * d)
        q, key, value = qkv[..., :d], qkv[..., d : 2 * d], qkv[..., 2 * d :]
        if final:
            q, x = q[:, -1:], x[:, -1:]
        logits = _heads(q) @ _heads(key).transpose(0, 1, 3, 2) / np.float32(math.sqrt(d / HEADS))  # (B, H, l, L)
        logits += self._bias(k, n)[:, -q.shape[1] :]
        if not real.all():
            logits[np.broadcast_to(~real[:, None, None, :], logits.shape)] = MASKED
        weight = np.exp(logits - logits.max(-1, keepdims=True))
        weight /= weight.sum(-1, keepdims=True)
        mixed = (weight @ _heads(value)).transpose(0, 2, 1, 3).reshape(b, -1, d)
        x = x + mixed @ a[f"mix_w{k}"].T + a[f"mix_b{k}"]
        y = _normal(x, a[f"norm2_g{k}"], a[f"norm2_b{k}"])
        inner = np.maximum(y @ a[f"up_w{k}"].T + a[f"up_b{k}"], 0)
        return np.asarray(x + inner @ a[f"down_w{k}"].T + a[f"down_b{k}"], np.float32)

    def _bias(self, k: int, n: int) -> Floats:
        """Return what a layer adds to the logits of n places by their distance (H, n, n); what lies ahead is masked."""
        if (k, n) not in self._biases:
            steps = np.arange(n)[:, None] - np.arange(n)[None, :]
            bias = self.arrays[f"bias{k}"][:, np.clip(steps, 0, n - 1)]
            self._biases[k, n] = np.where(steps < 0, np.float32(MASKED), bias)
        return self._biases[k, n]

    @cached_property
    def _biases(self) -> dict[tuple[int, int], Floats]:
        """By layer and number of places; there are few of both."""
        return {}

    def score(self, requests: Requests) -> Floats:
        """Return cosines times the temperature (B, items); 0 for all where there is no history."""
        return np.asarray(self.hidden(requests) @ self.arrays["items"].T * float(self.arrays["scale"][0]), np.float32)

    def nearest(self, requests: Requests) -> Nearest:
        """Return the same of a single request, with a short way to the best."""
        return Nearest(self.arrays["items"], self._state(requests), self._coarse, float(self.arrays["scale"][0]))

    # -- one request, whose small arrays cost more to handle than to multiply ---------------------------------------------
    def _state(self, requests: Requests) -> Floats:
        """Return `hidden` (d,) of a single request."""
        a, n = self.arrays, min(self.length, len(requests.item))
        if not n:
            return np.zeros(a["inputs"].shape[1], np.float32)
        x = a["inputs"].take(requests.item[-n:], axis=0)  # (n, d)
        if "moments" in a:
            signals = np.concatenate([requests.past[len(requests.item) - n + 1 :], requests.signals])
            gap = np.diff(requests.when[-n:], append=requests.time) if a["clock"][0] else None
            x += a["moments"].take(moment_codes(gap, signals, a["offset"]), axis=0).sum(1)
        for k, block in enumerate(self._blocks):
            x = block.of(x, self._bias(k, n), last=k == len(self._blocks) - 1)
        out = _normal(x[-1], a["out_g"], a["out_b"])
        return np.asarray(out / max(math.sqrt(float(out @ out)), 1e-9), np.float32)

    @cached_property
    def _blocks(self) -> list[_Block]:
        return [_Block(self.arrays, k) for k in range(sum(name.startswith("qkv_w") for name in self.arrays))]

    @cached_property
    def _coarse(self) -> Coarse:
        return Coarse.of(self.arrays["items"])

    @classmethod
    def fit(
        cls, events: Events, n_items: int, text: Floats | None, *,
        baskets: bool = False, clock: bool = False, sizes: tuple[int, ...] = (),
        held: tuple[Requests, NDArray[np.int32]] | None = None, epochs: int = 40, seed: int = 0, length: int = 20, dim: int = 64,
        layers: int = 1, dropout: float = 0.3, rate: float = 4e-3, states: int = 512, seconds: float = math.inf, threads: int = 1,
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[SequenceModel, int]:  # fmt: skip
        """Train; return the model and the number of epochs it took.

        Parameters
        ----------
        baskets : bool, default False
            Whether moments are foretold as a whole, see `Lessons`.
        clock : bool, default False
            Whether times are seconds, so that gaps say something.
        sizes : tuple of int, default ()
            Numbers of codes of the signals that are read.
        held : (requests, answers), optional
            Stop when the answers' mean reciprocal rank on these has not risen for three epochs, and keep the best.
        seconds : float
            Time allowed; the epoch that would go beyond it is not begun.
        """
        from occasion.learning.transformer import train

        return train(
            cls, events, n_items, text, baskets=baskets, clock=clock, sizes=sizes, held=held,
            epochs=epochs, seed=seed, length=length, dim=dim, layers=layers, dropout=dropout,
            rate=rate, states=states, seconds=seconds, threads=threads, progress=progress,
        )  # fmt: skip


class _Block:
    """A layer of the model for one history: what is multiplied with the same is one matrix, the gains of norms included."""

    def __init__(self, arrays: dict[str, NDArray[Any]], k: int) -> None:
        a = {name: arrays[f"{name}{k}"].astype(np.float64) for name in ("norm1_g", "norm1_b", "norm2_g", "norm2_b")}
        d = len(a["norm1_g"])
        qkv, qkv_b = arrays[f"qkv_w{k}"].T.astype(np.float64), arrays[f"qkv_b{k}"].astype(np.float64)
        up, up_b = arrays[f"up_w{k}"].T.astype(np.float64), arrays[f"up_b{k}"].astype(np.float64)
        read, read_b = a["norm1_g"][:, None] * qkv, a["norm1_b"] @ qkv + qkv_b
        # Logits are products of queries and keys over the root of a head's width.
        read[:, :d] /= math.sqrt(d / HEADS)
        read_b[:d] /= math.sqrt(d / HEADS)
        self._ask, self._ask_b = _plain(read[:, :d]), _plain(read_b[:d])
        self._tell, self._tell_b = _plain(read[:, d:]), _plain(read_b[d:])
        self._mix, self._mix_b = _plain(arrays[f"mix_w{k}"].T), arrays[f"mix_b{k}"]
        self._up, self._up_b = _plain(a["norm2_g"][:, None] * up), _plain(a["norm2_b"] @ up + up_b)
        self._down, self._down_b = _plain(arrays[f"down_w{k}"].T), arrays[f"down_b{k}"]

    def of(self, x: Floats, bias: Floats, *, last: bool) -> Floats:
        """Return the states (n, d) after the layer of states (n, d), or of the last alone (1, d); `bias` is (H, n, n)."""
        n, d = x.shape
        y = _centred(x)
        told = (y @ self._tell + self._tell_b).reshape(n, 2, HEADS, d // HEADS).transpose(1, 2, 0, 3)  # (2, H, n, d / H)
        if last:
            x, y, bias = x[-1:], y[-1:], bias[:, -1:]
        asked = (y @ self._ask + self._ask_b).reshape(len(x), HEADS, d // HEADS).transpose(1, 0, 2)  # (H, l, d / H)
        weight = asked @ told[0].transpose(0, 2, 1)  # (H, l, n)
        weight += bias
        weight -= weight.max(-1, keepdims=True)
        np.exp(weight, out=weight)
        weight /= weight.sum(-1, keepdims=True)
        x = x + (weight @ told[1]).transpose(1, 0, 2).reshape(len(x), d) @ self._mix + self._mix_b
        inner = _centred(x) @ self._up + self._up_b
        np.maximum(inner, 0, out=inner)
        return np.asarray(x + inner @ self._down + self._down_b, np.float32)


def _plain(array: NDArray[Any]) -> Floats:
    return np.ascontiguousarray(array, np.float32)


def _centred(x: Floats) -> Floats:
    """Return rows less their mean, over their deviation: a layer normalisation without gain and bias."""
    width = np.float32(x.shape[-1])
    x = x - x.sum(-1, keepdims=True) / width
    x /= np.sqrt(np.vecdot(x, x)[..., None] / width + np.float32(1e-5))
    return x


def _heads(x: Floats) -> Floats:
    """Return (B, L, d) as (B, H, L, d / H)."""
    b, n, d = x.shape
    return x.reshape(b, n, HEADS, d // HEADS).transpose(0, 2, 1, 3)


def _normal(x: Floats, gain: Floats, bias: Floats) -> Floats:
    """Layer normalisation over the last axis."""
    return np.asarray(_centred(x) * gain + bias, np.float32)
