"""Options of tuning and distilling, checked before anything is loaded."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

from occasion.errors import SettingsError

__all__ = ["DistillOptions", "TuneOptions", "check_name"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RANGES: dict[str, tuple[float, float]] = {
    "layers": (0, 1000),
    "rank": (1, 1024),
    "epochs": (1, 1000),
    "batch": (2, 4096),
    "max_tokens": (4, 8192),
    "patience": (1, 1000),
    "tau": (0.001, 10),
    "rate": (0, 1),
    "budget": (1, 1e7),
    "processes": (1, 1024),
    "dim": (2, 4096),
    "seed": (0, 2**32 - 1),
}
_RATE = {"words": 2e-3, "full": 3e-5, "lora": 3e-4}


@dataclass(frozen=True, kw_only=True)
class TuneOptions:
    """How to tune.

    Attributes
    ----------
    base : str
        ``minilm``, a folder, or a hub id; of the BERT, T5 or GPT family.
    name : str
        Folder under ``<home>/encoders``.
    objective : "soft" or "pairs"
        See `occasion.tuning.losses`; words learn from "soft" alone.
    method : "words", "full" or "lora"
        Vectors of single words that are added to the model's (`occasion.tuning.words`), all weights of the layers that learn, or
        low-rank additions to them.
    layers : int
        Only the top layers learn, so many of them; 0: all, and the token vectors.
    rank : int
        Of the additions, 1 to 1024.
    epochs, batch, patience : int
        Passes over the lessons at most; lessons a step, 2 to 4096, 0: up to 256 for words, 64 for others; evaluations without gain
        after which it stops.
    max_tokens : int
        Tokens of a text that are read, here and in service, 4 to 8192.
    tau : float
        Temperature of the softmax over cosines, .001 to 10.
    rate : float
        Highest learning rate, 0 to 1; 0: 2e-3 for words, 3e-5 for full, 3e-4 for lora.
    budget : float, optional
        Seconds for everything, evaluation included. None: no limit. With one, how far it gets depends on the machine.
    device : "auto", "cpu" or "cuda"
    processes : int, optional
        How many train together, each on a CUDA device of its own or all on the CPU; they share a step's lessons, so that what is
        learnt is the same. None: one for each CUDA device, without such devices one. Words learn in one, on the CPU.
    seed : int
    """

    base: str = "minilm"
    name: str = "tuned"
    objective: Literal["soft", "pairs"] = "soft"
    method: Literal["words", "full", "lora"] = "words"
    layers: int = 3
    rank: int = 16
    epochs: int = 8
    batch: int = 0
    patience: int = 4
    max_tokens: int = 48
    tau: float = 0.1
    rate: float = 0.0
    budget: float | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    processes: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every value."""
        check_name(self.name)
        _check_choice("objective", self.objective, ("soft", "pairs"))
        _check_choice("method", self.method, ("words", "full", "lora"))
        _check_choice("device", self.device, ("auto", "cpu", "cuda"))
        _check_ranges({**asdict(self), "batch": self.lessons_a_step})
        if self.method == "words" and (self.objective == "pairs" or (self.processes or 1) > 1):
            asked = "pairs" if self.objective == "pairs" else f"{self.processes} processes"
            raise SettingsError(f"the method words does not take {asked}. Cure: --method full, or lora.")

    @property
    def highest_rate(self) -> float:
        """The learning rate in force."""
        return self.rate or _RATE[self.method]

    @property
    def lessons_a_step(self) -> int:
        """The batch in force where a network learns."""
        return self.batch or 64


@dataclass(frozen=True, kw_only=True)
class DistillOptions:
    """How to distil.

    Attributes
    ----------
    teacher : str
        Name of a tuned model under ``<home>/encoders``, else anything that `TuneOptions.base` takes.
    name : str
        Folder under ``<home>/encoders``.
    dim : int
        Length of the student's vectors at most, 2 to 4096.
    epochs : int
        Passes over the texts, 1 to 1000.
    max_tokens : int
        Tokens of a text that teacher and student read.
    budget : float, optional
        Seconds for the passes. None: no limit.
    seed : int
    """

    teacher: str = "tuned"
    name: str = "student"
    dim: int = 256
    epochs: int = 20
    max_tokens: int = 48
    budget: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every value."""
        check_name(self.name)
        _check_ranges(asdict(self))


def check_name(name: str) -> None:
    """Raise `SettingsError` for a name that makes no plain folder."""
    if not _NAME.fullmatch(name):
        raise SettingsError(f"the name {name!r} makes no folder. Cure: letters, digits, dots and dashes, at most 64.")


def _check_choice(field: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise SettingsError(f"{field} is {value!r}. Cure: one of {', '.join(allowed)}.")


def _check_ranges(values: dict[str, Any]) -> None:
    for name, value in values.items():
        if name in _RANGES and value is not None:
            low, high = _RANGES[name]
            if not low <= value <= high:
                raise SettingsError(f"{name} is {value!r}. Cure: {low:g} to {high:g}.")
