"""The static encoder: the contract, and folders that are missing something or damaged."""

import json

import numpy as np
import pytest
from encoder_contract import EncoderContract

from occasion.encoders import load_encoder
from occasion.errors import EncoderError

tokenizers = pytest.importorskip("tokenizers")


def write_student(folder, *, dim=12, max_tokens=40, seed=0):
    """A student of single bytes with random vectors."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.WordLevel({c: n for n, c in enumerate(alphabet)}, unk_token=alphabet[0]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.ByteLevel(add_prefix_space=False), pre_tokenizers.Split("", "isolated")]
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((len(alphabet), dim)).astype(np.float16)
    np.savez(folder / "student.npz", vectors=vectors, weights=rng.random(len(alphabet)).astype(np.float32) + 0.1)
    (folder / "student.json").write_text(json.dumps({"max_tokens": max_tokens, "query": "q: ", "item": ""}))
    return folder


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    return write_student(tmp_path_factory.mktemp("student"))


class TestStatic(EncoderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls, student):
        return load_encoder(f"static:{student}")


def test_a_text_is_the_weighted_sum_of_its_tokens(student):
    encoder = load_encoder(f"static:{student}")
    with np.load(student / "student.npz") as arrays:
        vectors, weights = arrays["vectors"].astype(float), arrays["weights"]
    tokenizer = encoder._tokenizer
    ids = tokenizer.encode("tea", add_special_tokens=False).ids
    assert len(ids) == 3
    expected = (vectors[ids] * weights[ids][:, None]).sum(0)
    assert np.abs(encoder.encode(["tea"])[0] - expected / np.linalg.norm(expected)).max() < 1e-5


def test_roles_get_their_prefixes(student):
    encoder = load_encoder(f"static:{student}")
    assert np.abs(encoder.encode(["tea"], role="query") - encoder.encode(["q: tea"])).max() < 1e-6


def test_the_version_follows_the_content(student, tmp_path):
    other = write_student(tmp_path / student.name, seed=1)
    assert load_encoder(f"static:{student}").version != load_encoder(f"static:{other}").version


@pytest.mark.parametrize("argument", ["", "/nowhere/at/all"])
def test_a_missing_folder_is_one_clear_error(argument):
    with pytest.raises(EncoderError, match="Cure"):
        load_encoder(f"static:{argument}")


@pytest.mark.parametrize("name", ["student.npz", "tokenizer.json", "student.json"])
@pytest.mark.parametrize("content", [None, b"", b"\x00garbage", b"{}"])
def test_a_damaged_folder_is_one_clear_error(tmp_path, name, content):
    folder = write_student(tmp_path / "student")
    (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
    with pytest.raises(EncoderError, match="Cure"):
        load_encoder(f"static:{folder}")
