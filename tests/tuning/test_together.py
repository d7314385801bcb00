"""Tuning in several processes: gloo on the CPU, real processes, tiny models."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sentence_transformers", reason="needs the extra tune")

import psutil
import tiny_models
import tuning_steps

from occasion.errors import EncoderError, ModelError, SettingsError
from occasion.tuning import TuneOptions, launch, tune
from occasion.tuning.checkpoints import newest_whole
from occasion.tuning.lessons import read_lessons
from occasion.tuning.losses import PairLoss, SoftLoss
from occasion.tuning.networks import load_network
from occasion.tuning.training import _Arguments

pytestmark = pytest.mark.extra
QUICK = TuneOptions(method="full", layers=0, epochs=40, batch=16, rate=1e-2, max_tokens=30, device="cpu", patience=4)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A model without dropout: what it learns does not hang on which process draws which number."""
    folder = tiny_models.bert(tmp_path_factory.mktemp("bases") / "bert")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}))
    return str(folder)


@pytest.fixture(autouse=True)
def _strict(monkeypatch):
    """Warnings are errors in the processes, too, but for one that accelerate brings about in torch."""
    monkeypatch.setenv("PYTHONWARNINGS", "error,ignore:`broadcast_buffers` is deprecated:FutureWarning")


def children():
    return {int(child.environ()["RANK"]): child for child in psutil.Process().children() if "RANK" in child.environ()}


def test_a_step_of_two_is_the_step_of_one(tmp_path):
    script, environment = Path(tuning_steps.__file__), {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [[sys.executable, str(script), str(rank), "2", str(tmp_path)] for rank in range(2)]
    running = [subprocess.Popen(words, env=environment, stderr=subprocess.PIPE) for words in command]
    for process in running:
        assert process.communicate(timeout=300) == (None, b"")
    found = [np.load(tmp_path / f"{rank}.npz") for rank in range(2)]
    for kind in (SoftLoss, PairLoss):
        losses, weights = tuning_steps.steps(kind)
        assert np.abs(np.diff(weights, axis=0)).max() > 0.01
        for part in found:
            assert part[f"{kind.__name__}_0"] == pytest.approx(losses, rel=1e-4)
            assert part[f"{kind.__name__}_1"] == pytest.approx(weights, abs=1e-4)


def test_two_learn_what_one_learns(base, world):
    settings, store = world
    stages: list[tuple[str, int, int]] = []
    one, two = (
        tune(store, replace(QUICK, base=base, name=f"by{n}", processes=n), settings=settings, progress=show)
        for n, show in ((1, None), (2, lambda *stage: stages.append(stage)))
    )
    alone, together = one.manifest["course"], two.manifest["course"]
    assert [at for at, _ in together["curve"]] == [at for at, _ in alone["curve"]]
    assert [value for _, value in together["curve"]] == pytest.approx([value for _, value in alone["curve"]], abs=0.005)
    assert together["ended"] == alone["ended"] == "patience"
    assert together["best"] > together["before"] + 0.02
    assert two.mixture == one.mixture
    assert (one.manifest["processes"], two.manifest["processes"]) == (1, 2)
    # Each step is told of once, by one process; there is one result and nothing is left of its making.
    assert [done for stage, done, _ in stages if stage == "tune"] == list(range(1, together["steps"] + 1))
    assert {path.name for path in (settings.home / "encoders").iterdir() if "by2" in path.name} - {".by2.lock"} == {"by2"}
    assert not children()


@pytest.mark.slow
def test_one_that_is_killed_ends_all_and_the_next_run_goes_on_in_any_number(base, world):
    settings, store = world
    options = replace(QUICK, base=base, name="killed", patience=1000, epochs=7)
    work = settings.home / "encoders" / ".killed.work"

    def at(step, act):
        return lambda stage, done, total: act() if stage == "tune" and done == step else None

    def leave():
        raise KeyboardInterrupt

    def kill():
        assert sorted(children()) == [0, 1]
        children()[1].kill()

    with pytest.raises(KeyboardInterrupt):
        tune(store, options, settings=settings, progress=at(9, leave))
    first = newest_whole(work)[0]
    begun = time.monotonic()
    with pytest.raises(ModelError, match=r"process 2 of 2 was ended by SIGKILL while .* Cure: .* goes on from the last"):
        tune(store, replace(options, processes=2), settings=settings, progress=at(18, kill))
    assert time.monotonic() - begun < 300
    assert not children()
    second = newest_whole(work)[0]
    steps = [int(path.name.rpartition("-")[2]) for path in (first, second)]
    assert 0 < steps[0] < steps[1]
    report = tune(store, options, settings=settings)
    assert report.manifest["course"]["resumed"] == steps[1]
    assert [step for step, _ in report.manifest["course"]["curve"]] == list(range(4, 29, 4))
    assert not work.exists()


@pytest.mark.slow
def test_an_interruption_ends_all(base, world):
    settings, store = world

    def interrupt(stage, done, total):
        if stage == "tune" and done == 6:
            # From a terminal it comes to all of them.
            for process in [*children().values(), psutil.Process()]:
                process.send_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            tune(store, replace(QUICK, base=base, name="left", processes=2), settings=settings, progress=interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not children()
    assert newest_whole(settings.home / "encoders" / ".left.work")[0] is not None


def test_what_a_process_raises_is_raised(base, world, tmp_path):
    settings, store = world
    model, _ = load_network(base, settings.home, max_tokens=30, device="cpu")
    with pytest.raises(EncoderError, match="Cure"):
        launch.train_together(
            model, read_lessons(store), replace(QUICK, base="/nowhere/at/all"), tmp_path, home=settings.home, processes=2, epochs=1
        )
    assert not children()


def test_processes_that_cannot_be(monkeypatch):
    for wrong in (0, -1, 1025):
        with pytest.raises(SettingsError, match=r"processes is .* Cure: 1 to 1024"):
            TuneOptions(processes=wrong)
    with pytest.raises(SettingsError, match=r"processes is 5, lessons a step: 4. Cure: 1 to 4, or a larger batch"):
        launch.processes(TuneOptions(method="full", processes=5, batch=4), 0, 100)
    assert launch.processes(TuneOptions(), 0, 100) == 1
    assert launch.processes(TuneOptions(batch=4), 8, 100) == 4
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SettingsError, match=r"one of 2 processes of torchrun.* Cure: run it by itself; --processes 2 "):
        launch.devices(TuneOptions(device="cpu"))


def test_processes_and_devices(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert launch.devices(TuneOptions()) == launch.processes(TuneOptions(), 2, 100) == 2
    assert launch.devices(TuneOptions(processes=1)) == 2
    assert launch.devices(TuneOptions(method="full", device="cpu", processes=3)) == 0
    with pytest.raises(SettingsError, match=r"processes is 3, CUDA devices here: 2. Cure: 1 to 2, or --device cpu"):
        launch.devices(TuneOptions(method="full", processes=3))


def test_one_process_has_one_device(tmp_path):
    arguments = _Arguments(output_dir=str(tmp_path), use_cpu=True, per_device_train_batch_size=8)
    assert arguments.n_gpu == 0
    arguments._n_gpu = 2
    assert (arguments.n_gpu, arguments.train_batch_size, arguments.parallel_mode.value) == (1, 8, "not_parallel")
