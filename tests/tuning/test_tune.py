"""Tuning from store to served model, on tiny models of each family."""

import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import tuning_worlds

from waiting import until

pytest.importorskip("sentence_transformers", reason="needs the extra tune")


from occasion.encoders import load_encoder
from occasion.encoders.cache import VectorCache, versions
from occasion.errors import EncoderError, MissingExtraError, ModelError, SettingsError
from occasion.recommender import Recommender
from occasion.settings import load_settings
from occasion.tuning import DistillOptions, TuneOptions, distill, tune
from occasion.tuning.checkpoints import newest_whole
from occasion.tuning.networks import load_network, merge_additions, prepare, snapshot

pytestmark = pytest.mark.extra
TEXTS = ["03 d d thing", "in the mood for a", "14 g g thing"]
QUICK = TuneOptions(method="full", layers=0, epochs=2, batch=16, rate=5e-3, max_tokens=30, device="cpu")


@pytest.mark.parametrize(
    ("family", "method", "objective", "layers"),
    [("bert", "full", "pairs", 1), ("bert", "lora", "soft", 1), ("gpt", "lora", "soft", 0), ("t5", "full", "soft", 1)],
)
def test_every_family_is_tuned_and_served(bases, world, family, method, objective, layers):
    settings, store = world
    options = replace(QUICK, base=bases[family], name=f"{family}-{method}", method=method, objective=objective, layers=layers)
    stages = []
    report = tune(store, options, settings=settings, progress=lambda stage, done, total: stages.append(stage))
    assert {"before", "tune", "mix"} <= set(stages)
    served = load_encoder(report.spec, settings=settings)
    plain = load_encoder(f"torch:{report.folder / 'torch'}", settings=settings)
    # 8-bit numbers of a tiny random model are coarse; another pooling or a cut mask would show as far less.
    assert (served.encode(TEXTS) * plain.encode(TEXTS)).sum(1).min() > 0.95
    assert report.spec.startswith("torch:" if family == "t5" else "onnx:")
    manifest = json.loads((report.folder / "manifest.json").read_text())
    assert manifest["course"]["steps"] > 0
    assert manifest["data"]["events"] > 200
    assert manifest["libraries"]["torch"]
    assert set(manifest["figures"]) >= {"cold", "warm", "all"}
    assert not list(settings.home.glob(f"encoders/.{options.name}.work"))


def test_it_learns_what_goes_together(bases, world):
    settings, store = world
    options = replace(QUICK, base=bases["bert"], name="learns", epochs=12, patience=12, rate=1e-2)
    report = tune(store, options, settings=settings)
    qualities = report.manifest["quality by mixture"]
    assert report.mixture > 0
    assert qualities[str(report.mixture)] > qualities["0.0"] + 0.02


def test_a_seed_gives_the_same_model(bases, world):
    settings, store = world
    made = [tune(store, replace(QUICK, base=bases["bert"], name=f"same{n}"), settings=settings) for n in (1, 2)]
    files = [(r.folder / "torch" / "model.safetensors").read_bytes() for r in made]
    assert files[0] == files[1]
    assert made[0].figures == made[1].figures


def test_only_the_top_learns(bases, world):
    settings, _ = world
    model, _ = load_network(bases["bert"], settings.home, max_tokens=30, device="cpu")
    prepare(model, replace(QUICK, layers=1))
    names = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert names
    assert all("layer.1." in name for name in names)


def test_merged_additions_change_nothing_but_the_shape(bases, world):
    settings, _ = world
    model, _ = load_network(bases["bert"], settings.home, max_tokens=30, device="cpu")
    plain, before = snapshot(model), model.encode(TEXTS)
    prepare(model, replace(QUICK, layers=0, method="lora"))
    merge_additions(model)
    assert snapshot(model).keys() == plain.keys()
    assert np.abs(model.encode(TEXTS) - before).max() < 1e-5


def test_old_vectors_stay_until_the_index_is_made_anew(bases, tmp_path):
    tuning_worlds.fill(tmp_path).close()
    settings = load_settings(home=tmp_path, encoder=f"torch:{bases['bert']}")
    with Recommender(settings) as recommender:
        recommender.refresh()
        first = recommender.encoder.version
        report = tune(recommender.store, replace(QUICK, base=bases["bert"]), settings=settings)
        recommender.refresh()
        assert recommender.encoder.version == first
    with Recommender(settings.model_copy(update={"encoder": report.spec}), reencode=True) as recommender:
        recommender.refresh()
        second = recommender.encoder.version
    assert versions(tmp_path / "derived" / "vectors") == sorted([first, second])
    assert len(VectorCache(tmp_path / "derived" / "vectors", first, 24)) == 64


def test_a_budget_ends_it(bases, world):
    settings, store = world
    options = replace(QUICK, base=bases["bert"], name="short", epochs=1000, patience=1000, budget=5)
    course = tune(store, options, settings=settings).manifest["course"]
    assert course["steps"] >= 1
    assert course["ended"] in ("budget", "epochs"), "of a thousand epochs those that fit are done"
    assert course["steps"] < 1000


SCRIPT = """
import sys, pathlib
sys.path[:0] = {paths!r}
from occasion.settings import load_settings
from occasion.stores import open_store
from occasion.tuning import TuneOptions, tune
home = pathlib.Path(sys.argv[1])
store = open_store(f"sqlite:///{{home / 'occasion.db'}}")
options = TuneOptions(
    base=sys.argv[2], method="full", layers=0, epochs=12, batch=16, rate=5e-3, max_tokens=30, device="cpu", patience=1000
)
print(tune(store, options, settings=load_settings(home=home)).manifest["course"]["resumed"])
"""


def start(home, base, **more):
    script = SCRIPT.format(paths=[p for p in sys.path if p])
    environment = {**os.environ, "TQDM_DISABLE": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-c", script, str(home), str(base)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **more)


def wait_for_checkpoint(work, process):
    def whole():
        assert process.poll() is None, process.communicate()[1]
        return newest_whole(work)[0] is not None

    until(whole)


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_run_goes_on_past_a_damaged_checkpoint(bases, tmp_path, sign):
    tuning_worlds.fill(tmp_path).close()
    work = tmp_path / "encoders" / ".tuned.work"
    # Whoever runs the tests in the background hands down that interrupts are ignored.
    process = start(tmp_path, bases["bert"], preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    wait_for_checkpoint(work, process)
    process.send_signal(sign)
    process.communicate(timeout=300)
    assert process.returncode != 0
    assert not (tmp_path / "encoders" / "tuned").exists()
    newest, _ = newest_whole(work)
    assert newest is not None
    broken = work / "checkpoint-9000"
    broken.mkdir()
    (broken / "learnt.safetensors").write_bytes(b"half")
    again = start(tmp_path, bases["bert"])
    out, err = again.communicate(timeout=300)
    assert again.returncode == 0, err
    assert int(out.split()[-1]) >= int(newest.name.rpartition("-")[2])
    notes = json.loads((tmp_path / "encoders" / "tuned" / "manifest.json").read_text())["notes"]
    assert any("checkpoint-9000" in note for note in notes)
    assert not work.exists()


def test_a_full_disk_is_one_clear_error_and_nothing_is_lost(bases, tmp_path):
    tuning_worlds.fill(tmp_path).close()
    kept = tmp_path / "encoders" / "tuned"
    kept.mkdir(parents=True)
    (kept / "manifest.json").write_text("{}")

    def little_room():
        # A file larger than this cannot be written, as on a full disk; the store is read alone.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    process = start(tmp_path, bases["bert"], preexec_fn=little_room)
    _, err = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "ModelError" in err
    assert "Cure: free disk space" in err
    assert (kept / "manifest.json").read_text() == "{}"


def test_two_runs_of_one_name(bases, world):
    from filelock import FileLock

    settings, store = world
    folder = settings.home / "encoders"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / ".busy.lock"), pytest.raises(ModelError, match=r"another run makes 'busy' in .* Cure: let it"):
        tune(store, replace(QUICK, base=bases["bert"], name="busy"), settings=settings)


def test_without_the_extra_it_is_named(world, monkeypatch):
    settings, store = world
    monkeypatch.setattr("occasion.tuning.networks.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"occasion\[tune\]"):
        tune(store, settings=settings)


def test_a_base_that_is_not_there(world):
    settings, store = world
    with pytest.raises(EncoderError, match="Cure"):
        tune(store, replace(QUICK, base="/nowhere/at/all"), settings=settings)


@pytest.mark.parametrize(
    "wrong",
    [{"name": "../up"}, {"name": ""}, {"method": "half"}, {"objective": "x"}, {"epochs": 0}, {"tau": 0.0}, {"budget": -1.0},
     {"device": "tpu"}, {"batch": 1}, {"objective": "pairs"}, {"processes": 2}],
)  # fmt: skip
def test_wrong_options_are_refused(wrong):
    with pytest.raises(SettingsError, match="Cure"):
        TuneOptions(**wrong)


def test_a_student_keeps_most_of_its_teacher(bases, world):
    settings, store = world
    options = DistillOptions(teacher=bases["bert"], dim=16, epochs=60, max_tokens=30)
    report = distill(store, options, settings=settings)
    student, teacher = load_encoder(report.spec, settings=settings), load_encoder(f"torch:{bases['bert']}")
    assert student.dim == 16
    assert report.manifest["fidelity"]["cosine"] > max(0.5, report.manifest["fidelity"]["cosine before learning"])
    assert report.manifest["speed"]["times as fast"] > 2
    assert set(report.figures) >= {"cold", "warm"}
    # Items alike for the teacher are alike for the student.
    texts = [f"{n:02d} {c} {c} thing" for n in range(5) for c in "abcd"]
    near = [np.corrcoef((v @ v.T)[np.triu_indices(20, 1)], w)[0, 1] for v, w in
            [(student.encode(texts), (lambda t: (t @ t.T)[np.triu_indices(20, 1)])(teacher.encode(texts)))]]  # fmt: skip
    assert near[0] > 0.5
    assert {p.name for p in report.folder.iterdir()} == {"student.npz", "student.json", "tokenizer.json", "manifest.json"}


def test_a_student_needs_texts(bases, tmp_path):
    from occasion.errors import DataError

    store = tuning_worlds.fill(tmp_path, items=8)
    with pytest.raises(DataError, match="at least 20"):
        distill(store, DistillOptions(teacher=bases["bert"]), settings=load_settings(home=tmp_path))
    store.close()
