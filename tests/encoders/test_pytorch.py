import json
import sys

import numpy as np
import pytest
from encoder_contract import EncoderContract

from occasion.encoders import load_encoder
from occasion.errors import EncoderError, MissingExtraError

pytestmark = pytest.mark.extra
torch = pytest.importorskip("torch", reason="needs the extra tune")
transformers = pytest.importorskip("transformers", reason="needs the extra tune")
tiny_models = pytest.importorskip("tiny_models")

TEXTS = ["a", "hot soup", "a fast graphics card, silent", "rain"]
FAMILIES = {"bert": "mean", "roberta": "mean", "t5": "mean", "gpt": "last", "llama": "last"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {family: getattr(tiny_models, family)(root / family) for family in FAMILIES}


def alone(folder, text, how):
    """The vector of one text by itself, without padding: states pooled by hand."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    model = model.get_encoder() if model.config.is_encoder_decoder else model
    with torch.no_grad():
        states = model(input_ids=torch.tensor([tokenizer(text)["input_ids"]])).last_hidden_state[0].numpy()
    vector = {"mean": states.mean(axis=0), "last": states[-1], "cls": states[0]}[how]
    return vector / np.linalg.norm(vector)


class TestTinyBert(EncoderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls, folders):
        return load_encoder(f"torch:{folders['bert']}")


class TestTinyGpt(EncoderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls, folders):
        return load_encoder(f"torch:{folders['gpt']}")


class TestTinyT5(EncoderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls, folders):
        return load_encoder(f"torch:{folders['t5']}")


@pytest.mark.parametrize("family", list(FAMILIES))
@pytest.mark.parametrize("how", [None, "mean", "last", "cls"])
def test_each_family_is_pooled_as_by_hand(folders, family, how):
    folder = folders[family]
    encoder = load_encoder(f"torch:{folder}" + (f"?pooling={how}" if how else ""))
    assert encoder.plan.pooling == (how or FAMILIES[family])
    expected = np.array([alone(folder, text, how or FAMILIES[family]) for text in TEXTS])
    assert np.abs(encoder.encode(TEXTS) - expected).max() < 1e-5


@pytest.mark.parametrize("family", ["bert", "gpt", "llama", "t5"])
def test_a_tokenizer_that_pads_left_changes_nothing(folders, tmp_path, family):
    left = load_encoder(f"torch:{getattr(tiny_models, family)(tmp_path / family, padding_side='left')}")
    assert np.abs(left.encode(TEXTS) - load_encoder(f"torch:{folders[family]}").encode(TEXTS)).max() < 1e-5


def test_a_tokenizer_without_padding(folders, tmp_path):
    folder = tiny_models.gpt(tmp_path / "gpt", pad=False)
    assert (
        np.abs(load_encoder(f"torch:{folder}").encode(TEXTS) - load_encoder(f"torch:{folders['gpt']}").encode(TEXTS)).max() < 1e-5
    )


@pytest.mark.parametrize("family", list(FAMILIES))
def test_a_text_longer_than_the_model_is_cut(folders, family):
    vectors = load_encoder(f"torch:{folders[family]}?max_tokens=4000").encode(["word " * 500, "short"])
    assert np.isfinite(vectors).all()


def test_roles_get_their_prefixes(folders):
    plain = load_encoder(f"torch:{folders['bert']}")
    prefixed = load_encoder(f"torch:{folders['bert']}?query=query: &item=passage: ")
    assert np.abs(prefixed.encode(["rain"], role="query") - plain.encode(["query: rain"])).max() < 1e-5
    assert np.abs(prefixed.encode(["rain"]) - plain.encode(["passage: rain"])).max() < 1e-5
    assert not prefixed.encode([""]).any()
    assert plain.version != prefixed.version


def test_versions_tell_models_and_plans_apart(folders, tmp_path):
    changed = tiny_models.bert(tmp_path / "bert")
    same = load_encoder(f"torch:{changed}").version
    assert same == load_encoder(f"torch:{folders['bert']}").version
    model = transformers.BertModel.from_pretrained(changed)
    with torch.no_grad():
        model.embeddings.word_embeddings.weight[5, 5] += 1
    model.save_pretrained(changed)
    assert load_encoder(f"torch:{changed}").version != same
    assert load_encoder(f"torch:{folders['bert']}?pooling=cls").version != same


@pytest.fixture(scope="module")
def sentence_folder(folders, tmp_path_factory):
    """A sentence-transformers folder: CLS pooling, a Dense layer, prompts."""
    sentence_transformers = pytest.importorskip("sentence_transformers", reason="needs the extra tune")
    modules = pytest.importorskip("sentence_transformers.sentence_transformer.modules")
    torch.manual_seed(7)
    transformer = modules.Transformer(str(folders["bert"]), max_seq_length=30)
    parts = [transformer, modules.Pooling(24, "cls"), modules.Dense(24, 10)]
    model = sentence_transformers.SentenceTransformer(modules=parts, prompts={"query": "query: ", "document": "doc: "})
    folder = tmp_path_factory.mktemp("sentence") / "model"
    model.save(str(folder))
    return folder


class TestSentenceTransformers(EncoderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls, sentence_folder):
        return load_encoder(f"torch:{sentence_folder}")


def test_a_sentence_transformers_folder_is_run_with_all_its_modules(folders, sentence_folder):
    encoder = load_encoder(f"torch:{sentence_folder}")
    assert (encoder.plan.pooling, encoder.plan.query, encoder.plan.item) == ("cls", "query: ", "doc: ")
    dense = json.loads((sentence_folder / "2_Dense" / "config.json").read_text())
    assert (encoder.dim, dense["out_features"]) == (10, 10)
    from safetensors.numpy import load_file

    weights = load_file(sentence_folder / "2_Dense" / "model.safetensors")
    tokenizer, model = (
        transformers.AutoTokenizer.from_pretrained(folders["bert"]),
        transformers.BertModel.from_pretrained(folders["bert"]),
    )
    for role, prefix in (("query", "query: "), ("item", "doc: ")):
        for text in ("soup", "a cat"):
            with torch.no_grad():
                states = model.eval()(torch.tensor([tokenizer(prefix + text)["input_ids"]])).last_hidden_state[0].numpy()
            vector = np.tanh(weights["linear.weight"] @ states[0] + weights["linear.bias"])
            found = encoder.encode([text, "something else that is longer"], role=role)[0]
            assert np.abs(found - vector / np.linalg.norm(vector)).max() < 1e-5


def test_a_folder_that_says_its_pooling_is_not_overruled(sentence_folder):
    with pytest.raises(EncoderError, match="leave the option pooling out"):
        load_encoder(f"torch:{sentence_folder}?pooling=mean")


@pytest.mark.parametrize("argument", ["", "no such folder", "/nowhere/at/all", "author/model", "?pooling=mean"])
def test_a_missing_model_is_one_clear_error(argument, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EncoderError, match="Cure"):
        load_encoder(f"torch:{argument}")


@pytest.mark.parametrize("options", ["pooling=max", "colour=red", "max_tokens=many", "max_tokens=0"])
def test_unknown_options_are_refused(folders, options):
    with pytest.raises(EncoderError, match="Cure"):
        load_encoder(f"torch:{folders['bert']}?{options}")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("content", [b"", b"\x00garbage"])
def test_a_damaged_model_is_one_clear_error(tmp_path, name, content):
    folder = tiny_models.bert(tmp_path / "bert")
    (folder / name).write_bytes(content)
    with pytest.raises(EncoderError, match="Cure"):
        load_encoder(f"torch:{folder}")


def test_without_torch_the_extra_is_named(folders, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"occasion\[tune\]"):
        load_encoder(f"torch:{folders['bert']}")
