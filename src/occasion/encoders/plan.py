"""How a model folder wants its texts encoded: which pooling, which words before a query or an item, how many tokens.

Read from the files that sentence-transformers writes beside a model, and from the model's family where there are none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl

import numpy as np

from occasion.encoders.texts import unit
from occasion.errors import EncoderError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["POOLINGS", "Plan", "fingerprint", "parse_argument", "pool", "read_json", "read_plan"]

POOLINGS = ("mean", "last", "cls")
MAX_TOKENS = 512
_MODES = {"mean_tokens": "mean", "lasttoken": "last", "cls_token": "cls"}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to encode.

    Attributes
    ----------
    pooling : mean, last or cls
        Token states to one vector: their mean, that of the last token, that of the first.
    query, item : str
        What is put before a text of this role, "query: " and "passage: " for the E5 models.
    max_tokens : int
        Tokens of a text that are read, 1 to 100,000.
    """

    pooling: Literal["mean", "last", "cls"] = "mean"
    query: str = ""
    item: str = ""
    max_tokens: int = MAX_TOKENS

    def __post_init__(self) -> None:
        """Check pooling and number of tokens."""
        if self.pooling not in POOLINGS:
            raise EncoderError(f"there is no pooling {self.pooling!r}. Cure: one of {', '.join(POOLINGS)}.")
        if not 1 <= self.max_tokens <= 100_000:
            raise EncoderError(f"max_tokens is {self.max_tokens}. Cure: 1 to 100,000.")

    @property
    def limit(self) -> int:
        """Characters of a text that are read before it is cut into tokens: huge texts must not take minutes."""
        return 20 * self.max_tokens

    def prefix(self, role: Literal["query", "item"]) -> str:
        """Return what is put before a text of a role."""
        return self.query if role == "query" else self.item

    def stamp(self) -> str:
        """Return a short text that differs where the plan makes vectors differ."""
        return hashlib.blake2b(repr(self).encode(), digest_size=4).hexdigest()


def read_plan(folder: Path, fallback: Plan, options: Mapping[str, str] | None = None) -> Plan:
    """Return the plan of a folder: `options` before the folder's own files before `fallback`.

    Raises
    ------
    EncoderError
        For options or a pooling that are not known.
    """
    plan = fallback
    pooling = _pooling(folder)
    if pooling:
        plan = replace(plan, pooling=pooling)
    prompts = read_json(folder / "config_sentence_transformers.json").get("prompts") or {}
    plan = replace(plan, query=prompts.get("query") or "", item=prompts.get("document") or prompts.get("passage") or "")
    tokens = read_json(folder / "sentence_bert_config.json").get("max_seq_length")
    if isinstance(tokens, int):
        plan = replace(plan, max_tokens=tokens)
    plan = _with_options(plan, options or {})
    return replace(plan, max_tokens=min(plan.max_tokens, _positions(read_json(folder / "config.json"))))


def _positions(config: Mapping[str, Any]) -> int:
    """Return the most tokens that a model has positions for; a great number where positions are relative."""
    most = config.get("max_position_embeddings") or config.get("n_positions") or 100_000
    # The RoBERTa family counts positions from the one after the padding's.
    offset = 2 if str(config.get("model_type")) in ("roberta", "xlm-roberta", "camembert", "mpnet", "xlm-roberta-xl") else 0
    return int(most) - offset


def _pooling(folder: Path) -> Any:
    """Return the pooling that modules.json leads to, None where there is none."""
    for module in read_json(folder / "modules.json", []):
        if str(module.get("type", "")).endswith("Pooling"):
            config = read_json(folder / str(module.get("path", "")) / "config.json")
            modes = config.get("pooling_mode") or [m for m in config if m.startswith("pooling_mode_") and config[m] is True]
            modes = [modes] if isinstance(modes, str) else [m.removeprefix("pooling_mode_") for m in modes]
            if len(modes) != 1 or _MODES.get(modes[0], modes[0]) not in POOLINGS:
                raise EncoderError(f"{folder} asks for the pooling {modes}. Cure: use a model with one of {', '.join(POOLINGS)}.")
            return _MODES.get(modes[0], modes[0])
    return None


def _with_options(plan: Plan, options: Mapping[str, str]) -> Plan:
    unknown = set(options) - {"pooling", "query", "item", "max_tokens"}
    if unknown:
        raise EncoderError(f"there is no option {sorted(unknown)[0]!r}. Cure: pooling, query, item or max_tokens.")
    changes: dict[str, Any] = dict(options)
    if "max_tokens" in changes:
        if not changes["max_tokens"].isdecimal():
            raise EncoderError(f"max_tokens is {changes['max_tokens']!r}. Cure: a whole number.")
        changes["max_tokens"] = int(changes["max_tokens"])
    return replace(plan, **changes)


def parse_argument(argument: str) -> tuple[str, dict[str, str]]:
    """Return the folder or id of ``folder?pooling=mean&query=query: ``, and the options after the question mark."""
    name, _, tail = argument.partition("?")
    return name.strip(), dict(parse_qsl(tail, keep_blank_values=True))


def pool(states: NDArray[np.floating], mask: NDArray[np.integer], how: str) -> NDArray[np.float32]:
    """Return unit vectors (n, dim) of token states (n, length, dim); a mask (n, length) is 0 at padding, on whichever side."""
    if how == "mean":
        weights = np.asarray(mask, np.float32)[:, :, None]
        return unit((states * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1))
    length = mask.shape[1]
    at = length - 1 - np.argmax(mask[:, ::-1], axis=1) if how == "last" else np.argmax(mask, axis=1)
    return unit(states[np.arange(len(states)), at])


def read_json(path: Path, fallback: Any = None) -> Any:
    """Return the content of a JSON file, `fallback` (default: an empty dictionary) where there is no such file.

    Raises
    ------
    EncoderError
        Where the file is no JSON.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {} if fallback is None else fallback
    except (OSError, ValueError) as error:
        raise EncoderError(f"{path} cannot be read: {error}. Cure: get the model anew.") from error


def fingerprint(paths: list[Path]) -> str:
    """Return 12 hexadecimal digits that stand for the contents of files."""
    digest = hashlib.blake2b(digest_size=6)
    for path in sorted(paths):
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()
