"""Training: sentence-transformers' trainer with checkpoints of what learns alone, a deadline, early stopping and progress.

It may run in several processes at once (`occasion.tuning.ranks`). A step then has as many lessons as in one process, each process
a part of them; questions are encoded by all, and what rank 0 finds counts for all; rank 0 alone writes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.base.evaluation import BaseEvaluator
from transformers import EarlyStoppingCallback, PrinterCallback, TrainerCallback
from transformers.trainer_utils import EvalLoopOutput

from occasion.tuning import ranks
from occasion.tuning.checkpoints import newest_whole, saving, seal
from occasion.tuning.losses import PairLoss, SoftLoss, bank_items
from occasion.tuning.networks import encode, learning
from occasion.tuning.questions import Questions, judge

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.tuning.lessons import Lessons
    from occasion.tuning.options import TuneOptions

    Floats = NDArray[np.float32]

__all__ = ["EVERY", "Course", "answer_vectors", "train"]

WEIGHTS = "learnt.safetensors"
EVERY = 200
"""Steps between two checks, each with a checkpoint; fewer where a pass is shorter."""
QUALITY = "eval_quality"


@dataclass
class Course:
    """How the training went.

    Attributes
    ----------
    steps, resumed : int
        Steps done in all; that of the checkpoint it went on from, 0 for none.
    before, best : float
        The quality that decides when to stop, before the first step and at its best.
    curve : list of (step, quality)
    ended : str
        Why it ended: "epochs", "patience" or "budget".
    damaged : list of str
        Checkpoints that could not be used.
    """

    steps: int = 0
    resumed: int = 0
    before: float = 0.0
    best: float = 0.0
    curve: list[tuple[int, float]] = field(default_factory=list)
    ended: str = "epochs"
    damaged: list[str] = field(default_factory=list)


def answer_vectors(
    model: Any, lessons: Lessons, questions: Questions, progress: Callable[[int, int], None] | None = None
) -> tuple[Floats, Floats]:
    """Return what `judge` needs: vectors of the candidates (c, dim) and of the words of each question (q, dim)."""
    items = _encode(model, [lessons.texts[k] for k in questions.candidates], progress=progress)
    return items, _encode(model, list(questions.sentence), role="query")


def _encode(model: Any, texts: list[str], **more: Any) -> Floats:
    """Return the vectors (n, dim) of texts; every rank encodes a part and has all."""
    parts = ranks.everyone(encode(model, texts[ranks.rank() :: ranks.count()], **more))
    if len(parts) == 1:
        return parts[0]
    out = np.zeros((len(texts), parts[0].shape[1]), np.float32)
    for at, part in enumerate(parts):
        out[at :: len(parts)] = part
    return out


class _Examiner(BaseEvaluator):
    """Quality on the questions that decide: the mean over warm and cold answers of the smooth gain."""

    def __init__(self, lessons: Lessons) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.lessons = lessons

    def __call__(self, model: Any, output_path: str | None = None, epoch: int = -1, steps: int = -1) -> dict[str, float]:
        return {"quality": quality(model, self.lessons)}


def quality(model: Any, lessons: Lessons) -> float:
    """Return the mean over strata of the mean smooth gain, 0 to 1."""
    results = judge(lessons.stop, *answer_vectors(model, lessons, lessons.stop))
    # Processes that disagreed on the last digit might disagree on when to stop, and wait for each other for ever.
    return ranks.agreed(results.quality)


class _Trainer(SentenceTransformerTrainer):
    """Keeps and loads the weights that learn alone: small checkpoints, and low-rank additions like any other weight."""

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        from safetensors.torch import save_file

        folder = Path(output_dir or str(self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        save_file({n: w.detach().cpu().contiguous() for n, w in learning(self.model).items()}, str(folder / WEIGHTS))

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder = Path(str(self.args.output_dir)) / f"checkpoint-{self.state.global_step}"
        with saving(Path(str(self.args.output_dir))):
            super()._save_checkpoint(model, trial)
            # Every rank writes the state of its chance.
            ranks.wait()
            if self.args.should_save and folder.is_dir():
                # Pickled settings of the trainer; nothing reads them.
                (folder / "training_args.bin").unlink(missing_ok=True)
                seal(folder)

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
        """Ask the questions in every process, each of which encodes a part."""
        if ranks.count() == 1:
            return super().evaluation_loop(*args, **kwargs)
        ask: Any = self.evaluator
        return EvalLoopOutput(np.zeros(0), label_ids=None, metrics={QUALITY: ask(self.model)["quality"]}, num_samples=0)

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Make no model card: the manifest says more."""

    def _load_from_checkpoint(self, checkpoint_path: str, model: Any = None) -> None:
        from safetensors.torch import load_file

        self.model.load_state_dict(load_file(str(Path(checkpoint_path) / WEIGHTS)), strict=False)


class _Arguments(SentenceTransformerTrainingArguments):
    """Arguments of a process that has one device, however many there are."""

    @property
    def n_gpu(self) -> int:
        """With more the trainer would cut every step into parts that do not see each other's negatives (`DataParallel`)."""
        return min(1, int(super().n_gpu))


class _Watch(TrainerCallback):
    """Fills the bank at the start, keeps to the deadline, shows progress."""

    def __init__(
        self, course: Course, loss: Any, lessons: Lessons, deadline: float | None, show: Callable[..., None] | None
    ) -> None:
        self.course, self.loss, self.lessons, self.deadline, self.show = course, loss, lessons, deadline, show

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.loss.fill(_encode(kwargs["model"], [self.lessons.texts[k] for k in self.loss.items]))
        if ranks.rank():
            # Dropout shall differ between processes.
            torch.manual_seed(args.seed + ranks.rank())

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.course.steps = state.global_step
        if self.show is not None:
            self.show("tune", state.global_step, state.max_steps)
        if self.deadline is None or state.global_step >= state.max_steps:
            return
        if ranks.agreed(time.monotonic() > self.deadline):
            self.course.ended = "budget"
            control.should_evaluate = control.should_save = control.should_training_stop = True

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float] | None = None, **kwargs: Any) -> None:
        self.course.curve.append((state.global_step, float((metrics or {}).get(QUALITY, 0.0))))


def train(
    model: Any,
    lessons: Lessons,
    options: TuneOptions,
    work: Path,
    *,
    epochs: int,
    deadline: float | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Course:
    """Train `model` in place; it holds the best weights found afterwards (those of the last check, where none was better).

    Parameters
    ----------
    work : Path
        Folder of checkpoints; it goes on from the newest whole one.
    epochs : int
        Passes over the lessons.
    deadline : float, optional
        `time.monotonic` after which no step begins.

    Raises
    ------
    ModelError
        Where checkpoints cannot be written.
    """
    course = Course()
    data = _dataset(lessons, options)
    kind = SoftLoss if options.objective == "soft" else PairLoss
    loss = kind(model, lessons, bank_items(lessons), options.tau)
    checkpoint, course.damaged = newest_whole(work)
    course.before = quality(model, lessons)
    trainer = _Trainer(
        model=model, args=_arguments(options, work, epochs, len(data)), train_dataset=data, loss=loss, evaluator=_Examiner(lessons),
        callbacks=[_Watch(course, loss, lessons, deadline, progress), EarlyStoppingCallback(options.patience)],
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    if checkpoint is not None:
        course.resumed = int(checkpoint.name.rpartition("-")[2])
        _tell_hard(loss, course.resumed)
    # A checkpoint before the newest one may be the best; where it was damaged meanwhile, the newest has to do.
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint is not None else None)
    course.steps = trainer.state.global_step
    course.best = float(trainer.state.best_metric or 0.0)
    course.curve = _whole_curve(trainer.state.log_history) or course.curve
    if course.ended == "epochs" and trainer.state.global_step < trainer.state.max_steps:
        course.ended = "patience"
    if ranks.rank() == 0:
        (work / "course.json").write_text(json.dumps({"curve": course.curve}), "utf-8")
    return course


def _tell_hard(loss: Any, steps: int) -> None:
    if isinstance(loss, PairLoss):
        loss.steps = steps


def _whole_curve(history: list[dict[str, float]]) -> list[tuple[int, float]]:
    return [(int(entry["step"]), float(entry[QUALITY])) for entry in history if QUALITY in entry]


def _dataset(lessons: Lessons, options: TuneOptions) -> Any:
    from datasets import Dataset

    if options.objective == "soft":
        rows = lessons.rows
        return Dataset.from_dict({"lesson": [lessons.text(int(r)) for r in rows], "label": rows.tolist()})
    pairs = lessons.pairs
    return Dataset.from_dict(
        {
            "lesson": [lessons.text(int(r)) for r in pairs[:, 0]],
            "answer": [lessons.texts[int(k)] for k in pairs[:, 1]],
            "label": pairs.tolist(),
        }
    )


def _arguments(options: TuneOptions, work: Path, epochs: int, rows: int) -> Any:
    share = min(options.lessons_a_step, rows) // ranks.count()
    steps = max(1, rows // max(1, share * ranks.count()))
    every = min(steps, EVERY)
    cuda = options.device != "cpu" and torch.cuda.is_available()
    return _Arguments(
        output_dir=str(work), num_train_epochs=epochs, per_device_train_batch_size=share,
        learning_rate=options.highest_rate, weight_decay=0.01, warmup_steps=min(30, max(1, steps * epochs // 10)),
        lr_scheduler_type="linear", dataloader_drop_last=True, seed=options.seed, data_seed=options.seed,
        eval_strategy="steps", eval_steps=every, save_strategy="steps", save_steps=every, save_total_limit=2,
        load_best_model_at_end=True, metric_for_best_model=QUALITY, greater_is_better=True, logging_strategy="no",
        report_to="none", disable_tqdm=True, use_cpu=not cuda, bf16=cuda and torch.cuda.is_bf16_supported(),
        dataloader_pin_memory=cuda, log_level="error", ddp_broadcast_buffers=False,
    )  # fmt: skip
