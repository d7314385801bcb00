"""Student: a static-embedding copy of a language model, made from the catalogue's texts and no labels.

1. Token vectors: the teacher's vector of each token alone, projected on the first `dim` principal directions of the
   teacher's vectors of the catalogue (Model2Vec, Tulkens and van Dongen, 2024, with the catalogue in place of the vocabulary).
2. Weights: ``a / (a + p(t))``, p the token's share of the catalogue's tokens (SIF: Arora, Liang and Ma, ICLR 2017).
3. A few passes in which the vectors learn: ``mean(1 - cos(s_i, t_i)) + KL(softmax(t_i t_j / T) || softmax(s_i s_j / T))``
   over the texts of a step; the state that does best on a tenth of the texts, which is never learnt from, is kept.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Collection
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.errors import DataError, EncoderError
from occasion.settings import Settings, load_settings
from occasion.tuning.lessons import read_lessons, texts_of
from occasion.tuning.networks import encode, load_network, needs_extra
from occasion.tuning.options import DistillOptions
from occasion.tuning.output import install, libraries
from occasion.tuning.questions import compare, judge
from occasion.tuning.run import TuneReport, one_run

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.protocols import Encoder, Store

    Floats = NDArray[np.float32]

__all__ = ["distill"]

StageProgress = Callable[[str, int, int], None]
SIF = 1e-3
HELD = 0.1
LEAST = 20
BATCH = 256
RATE = 2e-3
TEMPERATURE = 0.05
TIMED = 500
"""Texts whose encoding is timed."""
VOCABULARY = 60_000
"""Up to so many tokens all get the teacher's vector; of more, those in the catalogue's texts, the others a zero vector."""


def distill(
    store: Store, options: DistillOptions | None = None, *, settings: Settings | None = None, progress: StageProgress | None = None
) -> TuneReport:
    """Make a static student of a tuned (or any) model, and write it under ``<home>/encoders/<name>``.

    Parameters
    ----------
    store : Store
        Its items' texts are what the student learns to encode; its log, where it is long enough, measures the loss of quality.
    options : DistillOptions, optional
    settings : Settings, optional
        For the home. Default: `load_settings()`.
    progress : callable, optional
        Called with (stage, done, total).

    Returns
    -------
    TuneReport
        `figures` compare teacher (before) and student (after); the manifest has fidelity and speed. `mixture` is 1.

    Raises
    ------
    MissingExtraError
        Without the extra tune.
    DataError
        Where fewer than `LEAST` items have texts.
    EncoderError
        For a teacher that cannot be loaded, or has no fast tokenizer.
    ModelError
        Where the result cannot be written, or another run makes the same name.
    """
    needs_extra("distilling")
    options, settings = options or DistillOptions(), settings or load_settings()
    folder = settings.home / "encoders"
    with one_run(folder, options.name):
        return _distill(store, options, settings, folder, progress)


def _distill(store: Store, options: DistillOptions, settings: Settings, folder: Path, progress: StageProgress | None) -> TuneReport:
    begun = time.monotonic()
    texts = list(dict.fromkeys(t for t in texts_of(store) if t.strip()))
    if len(texts) < LEAST:
        raise DataError(f"{len(texts)} items have a text, at least {LEAST} are needed. Cure: import items with titles.")
    model, base = load_network(options.teacher, settings.home, max_tokens=options.max_tokens, device="auto")
    if not getattr(model.tokenizer, "is_fast", False):
        raise EncoderError(f"{options.teacher} has no fast tokenizer. Cure: a teacher with a tokenizer.json.")
    vectors = encode(model, texts, progress=(lambda d, n: progress("teacher", d, n)) if progress is not None else None)
    made = _Student(model, texts, vectors, options, progress)
    fidelity = made.learn()
    place, making = folder / options.name, folder / f".{options.name}.making"
    encoder = made.write(making)
    figures, notes = _figures(store, model, encoder, options, settings.granted_by_default)
    manifest = {
        "kind": "student", "base": base, "options": asdict(options), "texts": len(texts), "dim": encoder.dim, "fidelity": fidelity,
        "speed": _speed(model, encoder, texts), "figures": figures, "spec": f"static:{place}", "libraries": libraries(),
        "bytes": sum(p.stat().st_size for p in making.iterdir()), "seconds": round(time.monotonic() - begun, 1), "notes": notes,
    }  # fmt: skip
    install(making, place, manifest)
    return TuneReport(folder=place, spec=f"static:{place}", figures=figures, mixture=1.0, manifest=manifest, notes=tuple(notes))


class _Student:
    """The student while it is made."""

    def __init__(
        self, model: Any, texts: list[str], teacher: Floats, options: DistillOptions, progress: StageProgress | None
    ) -> None:
        self.model, self.options, self.progress = model, options, progress
        prefix = model.prompts.get("document") or ""
        self.tokens = _tokens(model.tokenizer, [prefix + t for t in texts], options.max_tokens)
        directions = np.linalg.svd(teacher, full_matrices=False)[2][: options.dim].T.astype(np.float32)
        projected = teacher @ directions
        self.teacher = projected / np.maximum(np.linalg.norm(projected, axis=1, keepdims=True), 1e-9)
        size = len(model.tokenizer)
        counts = np.bincount(np.concatenate([*self.tokens, np.zeros(0, np.int64)]), minlength=size)
        self.weights = (SIF / (SIF + counts / max(1, counts.sum()))).astype(np.float32)
        wanted = np.arange(size) if size <= VOCABULARY else np.flatnonzero(counts)
        self.vectors = np.zeros((size, directions.shape[1]), np.float32)
        self.vectors[wanted] = _alone(model, wanted, progress) @ directions

    def learn(self) -> dict[str, float]:
        """Let the token vectors learn; return the mean cosine to the teacher on texts held out, before and after."""
        import torch

        torch.manual_seed(self.options.seed)
        rng = np.random.default_rng(self.options.seed)
        usable = rng.permutation([n for n, ids in enumerate(self.tokens) if len(ids)])
        held, rest = usable[: max(1, int(HELD * len(usable)))], usable[max(1, int(HELD * len(usable))) :]
        bag = torch.nn.EmbeddingBag.from_pretrained(torch.from_numpy(self.vectors.copy()), freeze=False, mode="sum")
        weights = torch.from_numpy(self.weights)
        teacher = torch.from_numpy(self.teacher)
        optimiser = torch.optim.Adam(bag.parameters(), lr=RATE * float(np.abs(self.vectors).mean()) * 50)
        first = best = self._cosine(bag, weights, teacher, held)
        end = time.monotonic() + (self.options.budget or np.inf)
        for epoch in range(self.options.epochs):
            order = rng.permutation(rest)
            for at in range(0, len(order), BATCH):
                loss = _loss(self._embed(bag, weights, order[at : at + BATCH]), teacher[order[at : at + BATCH]])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
            now = self._cosine(bag, weights, teacher, held)
            if now > best:
                best, self.vectors = now, bag.weight.detach().numpy().copy()
            if self.progress is not None:
                self.progress("distil", epoch + 1, self.options.epochs)
            if time.monotonic() > end:
                break
        return {"texts held out": float(len(held)), "cosine before learning": first, "cosine": best}

    def _embed(self, bag: Any, weights: Any, rows: NDArray[np.int64]) -> Any:
        import torch

        ids = [self.tokens[n] for n in rows]
        flat = torch.from_numpy(np.concatenate(ids))
        starts = torch.from_numpy(np.cumsum([0, *map(len, ids[:-1])]))
        return torch.nn.functional.normalize(bag(flat, starts, per_sample_weights=weights[flat]), dim=1)

    def _cosine(self, bag: Any, weights: Any, teacher: Any, rows: NDArray[np.int64]) -> float:
        import torch

        with torch.no_grad():
            return float((self._embed(bag, weights, rows) * teacher[rows]).sum(1).mean())

    def write(self, folder: Path) -> Encoder:
        """Write the student and return the encoder that reads it."""
        from occasion.encoders.static import StaticEncoder
        from occasion.tuning.checkpoints import saving

        with saving(folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            np.savez(folder / "student.npz", vectors=self.vectors.astype(np.float16), weights=self.weights)
            self.model.tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
            prompts = self.model.prompts
            about = {
                "max_tokens": self.options.max_tokens,
                "query": prompts.get("query") or "",
                "item": prompts.get("document") or "",
            }
            (folder / "student.json").write_text(json.dumps(about), "utf-8")
        return StaticEncoder(folder)


def _loss(student: Any, teacher: Any) -> Any:
    import torch

    near = torch.nn.functional.log_softmax(student @ student.T / TEMPERATURE, 1)
    wanted = torch.nn.functional.log_softmax(teacher @ teacher.T / TEMPERATURE, 1)
    kept = torch.nn.functional.kl_div(near, wanted, reduction="batchmean", log_target=True)
    return (1 - (student * teacher).sum(1)).mean() + kept


def _tokens(tokenizer: Any, texts: list[str], most: int) -> list[NDArray[np.int64]]:
    ids = tokenizer(texts, add_special_tokens=False, truncation=True, max_length=most)["input_ids"]
    return [np.array(some, np.int64) for some in ids]


def _alone(model: Any, tokens: NDArray[np.int64], progress: StageProgress | None) -> Floats:
    """Return the teacher's unit vectors (n, dim) of single tokens, framed as it frames a text."""
    import torch

    framed = model.tokenizer(["a"], return_special_tokens_mask=True)
    special = np.array(framed["special_tokens_mask"][0], bool)
    ids = np.array(framed["input_ids"][0])
    inner = np.flatnonzero(~special)
    before, after = (ids[: inner[0]], ids[inner[-1] + 1 :]) if len(inner) else (ids[:0], ids[:0])
    parts = []
    model.eval()
    for at in range(0, len(tokens), BATCH):
        some = tokens[at : at + BATCH]
        rows = np.concatenate([np.tile(before, (len(some), 1)), some[:, None], np.tile(after, (len(some), 1))], 1).astype(np.int64)
        given = torch.from_numpy(rows).to(model.device)
        with torch.inference_mode():
            found = model({"input_ids": given, "attention_mask": torch.ones_like(given)})["sentence_embedding"]
        parts.append(torch.nn.functional.normalize(found.float(), dim=1).cpu().numpy())
        if progress is not None:
            progress("tokens", min(at + BATCH, len(tokens)), len(tokens))
    return np.concatenate(parts)


def _speed(model: Any, encoder: Encoder, texts: list[str]) -> dict[str, float]:
    """Return milliseconds a text of both, in this process with its threads."""
    some = (texts * (TIMED // len(texts) + 1))[:TIMED]
    few = some[: TIMED // 5]
    out = {
        "teacher ms": _milliseconds(lambda: encode(model, few)),
        "student ms": _milliseconds(lambda: encoder.encode(some)),
    }
    return out | {"times as fast": out["teacher ms"] / max(out["student ms"], 1e-9)}


def _milliseconds(run: Callable[[], Floats]) -> float:
    run()  # what is set up once is not counted
    at = time.perf_counter()
    n = len(run())
    return 1000 * (time.perf_counter() - at) / n


def _figures(
    store: Store, model: Any, encoder: Encoder, options: DistillOptions, by_default: Collection[str]
) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Return how teacher and student answer the questions of the log; none where it is too short."""
    try:
        lessons = read_lessons(store, seed=options.seed, by_default=by_default)
    except DataError as error:
        return {}, [f"The loss of quality is not measured: {str(error).split(' Cure:')[0]}"]
    questions = lessons.report
    texts, words = [lessons.texts[k] for k in questions.candidates], list(questions.sentence)
    before = judge(questions, encode(model, texts), encode(model, words, role="query"))
    return compare(before, judge(questions, encoder.encode(texts), encoder.encode(words, role="query"))), []
