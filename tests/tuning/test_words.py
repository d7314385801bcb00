"""Vectors of single words beside a language model: the table, how they are learnt, and that whoever reads the model adds them."""

from dataclasses import replace

import numpy as np
import pytest

from occasion.encoders.words import WordTable
from occasion.errors import EncoderError

pytest.importorskip("sentence_transformers", reason="needs the extra tune")


from occasion.encoders import load_encoder
from occasion.tuning import DistillOptions, TuneOptions, distill, tune
from occasion.tuning.networks import encode, load_network

TEXTS = ["03 d d thing", "in the mood for a", "14 g g thing"]
QUICK = TuneOptions(epochs=12, batch=16, rate=2e-2, patience=12, max_tokens=30, device="cpu")


@pytest.fixture(scope="module")
def tuned(bases, world):
    settings, store = world
    return tune(store, replace(QUICK, base=bases["bert"]), settings=settings)


def table():
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(4, 5)).astype(np.float32)
    vectors[0] = 0
    return WordTable(np.array([0, 1, 2, 3, 4, 5], np.float32), np.array([0, 1, 2, 3, 0, 0], np.int32), vectors)


def test_the_formula():
    words, u = table(), np.eye(5, dtype=np.float32)[:1]
    # Token 0 frames the text, token 4 has no vector but takes its share, token 9 came later.
    found = words.added(u, [np.array([0, 1, 3, 3, 4, 0, 9])])[0]
    a = np.array([1, 3 * (1 + np.log(2)), 4])
    a /= np.linalg.norm(a)
    wanted = u[0] + a[0] * words.vectors[1] + a[1] * words.vectors[3]
    assert np.allclose(found, wanted / np.linalg.norm(wanted), atol=1e-6)


def test_a_text_of_no_words_keeps_its_vector():
    u = np.eye(5, dtype=np.float32)[:2]
    assert np.array_equal(table().added(u, [np.array([0, 0]), np.zeros(0, np.int64)]), u)


def test_the_matrix_says_the_same():
    words, texts = table(), [np.array([0, 1, 3, 3]), np.zeros(0, np.int64), np.array([4, 2, 2])]
    u = np.ones((3, 5), np.float32)
    sums = u + words.matrix(texts) @ words.vectors
    assert np.allclose(words.added(u, texts), sums / np.linalg.norm(sums, axis=1, keepdims=True), atol=1e-6)


def test_a_table_comes_back(tmp_path):
    table().write(tmp_path / "words.npz")
    back = WordTable.read(tmp_path / "words.npz")
    assert np.allclose(back.vectors, table().vectors, atol=2e-3)
    assert np.array_equal(back.place, table().place)
    assert np.array_equal(back.weights, table().weights)


@pytest.mark.parametrize("change", ["cut", "place", "nan"])
def test_a_damaged_table_is_refused(tmp_path, change):
    words, path = table(), tmp_path / "words.npz"
    if change == "place":
        words.place[1] = 7
    if change == "nan":
        words.vectors[1, 1] = np.nan
    words.write(path)
    if change == "cut":
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(EncoderError, match=r"words\.npz cannot be read: .* Cure: tune the model anew"):
        WordTable.read(path)


@pytest.mark.extra
def test_they_learn_what_goes_together(tuned):
    qualities = tuned.manifest["quality by mixture"]
    assert tuned.mixture > 0
    assert qualities[str(tuned.mixture)] > qualities["0.0"] + 0.02
    assert tuned.manifest["course"]["steps"] > 0
    assert tuned.manifest["weights that learn"] > 0


@pytest.mark.extra
def test_whoever_reads_the_model_adds_them(tuned, bases, world):
    settings, _ = world
    served = load_encoder(tuned.spec, settings=settings)
    by_torch = load_encoder(f"torch:{tuned.folder / 'torch'}", settings=settings)
    network, version = load_network("tuned", settings.home, max_tokens=30, device="cpu")
    assert tuned.spec.startswith("onnx:")
    assert (served.encode(TEXTS) * by_torch.encode(TEXTS)).sum(1).min() > 0.95
    assert np.allclose(encode(network, TEXTS), by_torch.encode(TEXTS), atol=1e-5)
    base, before = load_network(bases["bert"], settings.home, max_tokens=30, device="cpu")
    assert (encode(base, TEXTS) * by_torch.encode(TEXTS)).sum(1).max() < 0.999
    assert version != before
    (tuned.folder / "words.npz").rename(tuned.folder / "aside.npz")
    try:
        plain = load_encoder(tuned.spec, settings=settings)
    finally:
        (tuned.folder / "aside.npz").rename(tuned.folder / "words.npz")
    assert plain.version != served.version
    assert (encode(base, TEXTS) * plain.encode(TEXTS)).sum(1).min() > 0.95


@pytest.mark.extra
def test_a_seed_gives_the_same_words(tuned, bases, world):
    settings, store = world
    again = tune(store, replace(QUICK, base=bases["bert"], name="again"), settings=settings)
    one, other = (WordTable.read(r.folder / "words.npz") for r in (tuned, again))
    assert np.array_equal(one.vectors, other.vectors)
    assert tuned.figures == again.figures


@pytest.mark.extra
@pytest.mark.parametrize("family", ["t5", "gpt"])
def test_every_family_has_words(bases, world, family):
    settings, store = world
    report = tune(store, replace(QUICK, base=bases[family], name=family, rate=5e-2), settings=settings)
    served = load_encoder(report.spec, settings=settings)
    network, _ = load_network(family, settings.home, max_tokens=30, device="cpu")
    assert report.mixture > 0
    assert (served.encode(TEXTS) * encode(network, TEXTS)).sum(1).min() > 0.95


@pytest.mark.extra
def test_words_learn_on_from_words(tuned, world):
    settings, store = world
    report = tune(store, replace(QUICK, base="tuned", name="further", epochs=1, rate=1e-6), settings=settings)
    found = report.manifest["quality by mixture"]
    # No step to speak of: what was learnt before is still there.
    assert found["0.0"] == pytest.approx(tuned.manifest["quality by mixture"][str(tuned.mixture)], abs=0.02)
    assert WordTable.read(report.folder / "torch" / "words.npz").vectors.any()


@pytest.mark.extra
def test_a_network_is_tuned_under_its_words(tuned, world):
    settings, store = world
    report = tune(store, replace(QUICK, base="tuned", name="deeper", method="full", rate=1e-3, epochs=1), settings=settings)
    assert np.array_equal(WordTable.read(report.folder / "words.npz").vectors, WordTable.read(tuned.folder / "words.npz").vectors)


@pytest.mark.extra
def test_a_student_learns_the_words_too(tuned, world):
    settings, store = world
    report = distill(store, DistillOptions(dim=24, epochs=60, max_tokens=30), settings=settings)
    teacher = load_encoder(f"torch:{tuned.folder / 'torch'}", settings=settings)
    texts = ["05 f f thing", "33 b b thing"]
    directions = load_encoder(report.spec, settings=settings).encode(texts)
    near = teacher.encode(texts)
    assert report.manifest["fidelity"]["cosine"] > 0.8
    assert abs(float(directions[0] @ directions[1]) - float(near[0] @ near[1])) < 0.3


@pytest.mark.extra
def test_a_budget_ends_it(bases, world):
    settings, store = world
    options = replace(QUICK, base=bases["bert"], name="short", epochs=1000, patience=1000, budget=3)
    course = tune(store, options, settings=settings).manifest["course"]
    assert course["ended"] == "budget"
    assert 1 <= course["steps"] < 4000
