"""Run: tune a language model on a store from beginning to end."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from occasion.exclusive import exclusive
from occasion.settings import Settings, load_settings
from occasion.tuning import launch
from occasion.tuning.checkpoints import same_work, saving
from occasion.tuning.lessons import Lessons, read_lessons
from occasion.tuning.networks import load_network, merge_additions, needs_extra, prepare, set_mixture, snapshot
from occasion.tuning.options import TuneOptions
from occasion.tuning.output import install, libraries, write_model
from occasion.tuning.questions import Results, compare, judge

if TYPE_CHECKING:
    from occasion.protocols import Store
    from occasion.tuning.training import Course

__all__ = ["TuneReport", "one_run", "tune"]

StageProgress = Callable[[str, int, int], None]
MIXTURES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the tuned weights that are tried."""
PASS = 3.0
"""Time of learning from a text, in times of encoding it: forward once, backward twice."""


@dataclass(frozen=True, kw_only=True)
class TuneReport:
    """What tuning brought.

    Attributes
    ----------
    folder : Path
    spec : str
        What to set as ``encoder``.
    figures : mapping
        See `occasion.tuning.questions.compare`: before and after, for ``cold``, ``warm`` and ``all``.
    mixture : float
        Share of the tuned weights in the result, the rest being those before; 0: tuning did not pay.
    manifest : mapping
        All that is written down.
    notes : tuple of str
    """

    folder: Path
    spec: str
    figures: dict[str, dict[str, float]]
    mixture: float
    manifest: dict[str, Any]
    notes: tuple[str, ...]


def tune(
    store: Store, options: TuneOptions | None = None, *, settings: Settings | None = None, progress: StageProgress | None = None
) -> TuneReport:
    """Fine-tune a language model on what people did, and write it under ``<home>/encoders/<name>``.

    Nothing in service changes: `occasion index --reencode` with the report's spec as encoder does that, and the vectors made
    before stay cached. Stopped runs go on from their last checkpoint when called again alike. Where several processes train, they
    are started and ended here; everything but the training is done in this one. The result is the mixture
    ``(1 - share) before + share tuned`` of all weights that does best on questions held out (Wortsman et al., "Robust
    fine-tuning of zero-shot models", CVPR 2022), so that it is not worse than before there.

    Parameters
    ----------
    store : Store
        Items with texts and a log of events.
    options : TuneOptions, optional
    settings : Settings, optional
        For the home. Default: `load_settings()`.
    progress : callable, optional
        Called with (stage, done, total).

    Raises
    ------
    MissingExtraError
        Without the extra tune.
    DataError
        Where the store has too little to learn from.
    EncoderError
        For a base model that cannot be loaded.
    ModelError
        Where the result or a checkpoint cannot be written, another run tunes under the same name, or one of several processes
        ended before its time.
    SettingsError
        For more processes than CUDA devices, or than lessons in a step.
    """
    needs_extra("tuning")
    options, settings = options or TuneOptions(), settings or load_settings()
    begun = time.monotonic()
    folder = settings.home / "encoders"
    with one_run(folder, options.name):
        return _Run(store, options, settings, folder, progress, begun).report()


@contextmanager
def one_run(folder: Path, name: str) -> Iterator[None]:
    """Let one run a name work at a time in a folder, which is made.

    Raises
    ------
    ModelError
        Where another one works, or the folder cannot be written.
    """
    with saving(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder, f".{name}", f"another run makes {name!r}"):
        yield


class _Run:
    """One run, step by step."""

    def __init__(
        self, store: Store, options: TuneOptions, settings: Settings, folder: Path, progress: StageProgress | None, begun: float
    ) -> None:
        import torch

        torch.manual_seed(options.seed)
        self.options, self.settings, self.folder, self.progress, self.begun = options, settings, folder, progress, begun
        devices = launch.devices(options)
        self.lessons: Lessons = read_lessons(store, seed=options.seed, by_default=settings.granted_by_default)
        self.processes = 1 if options.method == "words" else launch.processes(options, devices, self._rows())
        self.model, self.base = load_network(options.base, settings.home, max_tokens=options.max_tokens, device=options.device)
        self.notes: list[str] = []

    def report(self) -> TuneReport:
        """Train, mix, write, measure."""
        work = self._work()
        before, seconds = self._examined()
        weights, course, mixture, qualities = self._learnt(work, seconds)
        made = self.folder / f".{self.options.name}.making"
        served = write_model(self.model, made)
        after = self._served(made, served)
        figures = compare(before, after, seed=self.options.seed)
        place = self.folder / self.options.name
        spec = f"onnx:{place}" if served else f"torch:{place / 'torch'}"
        self._verdict(mixture, figures, course)
        manifest = {
            "kind": "tuned", "base": self.base, "options": asdict(self.options), "data": self._data(),
            "processes": self.processes, "weights that learn": weights, "mixture": mixture,
            "quality by mixture": qualities, "course": asdict(course), "figures": figures, "spec": spec,
            "seconds": round(time.monotonic() - self.begun, 1), "libraries": libraries(), "notes": self.notes,
        }  # fmt: skip
        install(made, place, manifest)
        shutil.rmtree(work, ignore_errors=True)
        return TuneReport(folder=place, spec=spec, figures=figures, mixture=mixture, manifest=manifest, notes=tuple(self.notes))

    def _learnt(self, work: Path, seconds: float) -> tuple[int, Course, float, dict[str, float]]:
        """Let the model learn; return how many weights did, the course, the best mixture, which it has then, and all qualities."""
        if self.options.method == "words":
            from occasion.tuning.words import learn_words

            deadline = self._deadline(seconds * len(self.lessons.report.candidates))
            found = learn_words(self.model, self.lessons, self.options, MIXTURES, deadline=deadline, progress=self.progress)
            return found.weights, found.course, found.mixture, found.qualities
        old = snapshot(self.model)
        weights = prepare(self.model, self.options)
        course = self._trained(work, seconds)
        if self.options.method == "lora":
            merge_additions(self.model)
        return weights, course, *self._mixed(old)

    def _deadline(self, rest: float) -> float | None:
        """Return when learning has to end where so many seconds of work come after it, and some for writing."""
        budget = self.options.budget
        return None if budget is None else max(self.begun + budget - rest - 10, time.monotonic() + 1)

    def _rows(self) -> int:
        return len(self.lessons.rows) if self.options.objective == "soft" else len(self.lessons.pairs)

    def _data(self) -> dict[str, Any]:
        lessons = self.lessons
        return {
            "seq": lessons.seq, "withdrawals": lessons.withdrawals,
            "fingerprint": lessons.fingerprint, "events": lessons.events, "items": int((lessons.counts > 0).sum()),
            "sentences": len(lessons.sentences), "questions": {"stop": len(lessons.stop), "report": len(lessons.report)},
        }  # fmt: skip

    def _work(self) -> Path:
        work = self.folder / f".{self.options.name}.work"
        # These may differ between a run and the one that goes on from it.
        plan = {n: v for n, v in asdict(self.options).items() if n not in ("budget", "device", "processes")}
        same_work(work, {"options": plan, "base": self.base, "data": self.lessons.fingerprint})
        return work

    def _stage(self, name: str) -> Callable[[int, int], None] | None:
        show = self.progress
        return (lambda done, total: show(name, done, total)) if show is not None else None

    def _examined(self) -> tuple[Results, float]:
        """Return the results of the model as it is, and the seconds a text took."""
        from occasion.tuning.training import answer_vectors

        at = time.monotonic()
        vectors = answer_vectors(self.model, self.lessons, self.lessons.report, self._stage("before"))
        seconds = (time.monotonic() - at) / max(1, len(vectors[0]))
        return judge(self.lessons.report, *vectors), seconds

    def _trained(self, work: Path, seconds: float) -> Course:
        from occasion.tuning.training import EVERY, train

        options, lessons = self.options, self.lessons
        # What comes after training: mixtures and figures. It is measured by what encoding took before it.
        rest = seconds * (len(MIXTURES) * len(lessons.stop.candidates) + len(lessons.report.candidates))
        epochs, deadline = options.epochs, self._deadline(rest)
        if deadline is not None:
            rows = self._rows() * (1 if options.objective == "soft" else 2)
            checks = max(1.0, rows / options.lessons_a_step / EVERY)
            one = seconds * (PASS * rows + checks * len(lessons.stop.candidates))
            if self.model.device.type == "cuda":
                one /= self.processes
            epochs = max(1, min(epochs, int((deadline - time.monotonic()) / max(one, 1e-9))))
        limits: dict[str, Any] = {"epochs": epochs, "deadline": deadline, "progress": self.progress}
        if self.processes == 1:
            course = train(self.model, lessons, options, work, **limits)
        else:
            home = self.settings.home
            course = launch.train_together(self.model, lessons, options, work, home=home, processes=self.processes, **limits)
        if course.damaged:
            self.notes.append(f"Damaged checkpoints were left out: {', '.join(course.damaged)}.")
        if course.resumed:
            self.notes.append(f"Went on from step {course.resumed}.")
        return course

    def _mixed(self, old: dict[str, Any]) -> tuple[float, dict[str, float]]:
        """Give the model the best mixture; of equal ones, that with less of the new."""
        from occasion.tuning.training import quality

        new = snapshot(self.model)
        found: dict[float, float] = {}
        for share in MIXTURES:
            set_mixture(self.model, old, new, share)
            found[share] = quality(self.model, self.lessons)
            if self.progress is not None:
                self.progress("mix", len(found), len(MIXTURES))
        best = max(found, key=lambda share: (found[share], -share))
        set_mixture(self.model, old, new, best)
        return best, {str(share): value for share, value in found.items()}

    def _served(self, made: Path, onnx: bool) -> Results:
        """Return the results of the written model as it will be served."""
        from occasion.encoders import load_encoder
        from occasion.tuning.training import answer_vectors

        questions = self.lessons.report
        if not onnx:
            return judge(questions, *answer_vectors(self.model, self.lessons, questions, self._stage("after")))
        encoder = load_encoder(f"onnx:{made}", settings=self.settings)
        items = encoder.encode([self.lessons.texts[k] for k in questions.candidates], progress=self._stage("after"))
        return judge(questions, items, encoder.encode(list(questions.sentence), role="query"))

    def _verdict(self, mixture: float, figures: dict[str, dict[str, float]], course: Course) -> None:
        if not mixture:
            self.notes.append("Tuning did not pay on the questions held out: the result is the base model. More events may help.")
        for name in ("cold", "warm"):
            row = figures.get(name)
            if row is None:
                self.notes.append(f"No question has a {name} answer.")
            elif mixture and row["ndcg_gain_low"] <= 0:
                self.notes.append(f"The gain on {name} items lies within its interval: it may be chance.")
        if course.ended == "budget":
            self.notes.append("The budget ended training early; a longer one may bring more.")
