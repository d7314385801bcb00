import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from occasion.encoders.plan import POOLINGS, Plan, parse_argument, pool, read_plan
from occasion.errors import EncoderError


@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=5), left=st.booleans(), how=st.sampled_from(POOLINGS))
def test_padding_on_either_side_changes_nothing(lengths, left, how):
    rng = np.random.default_rng(len(lengths))
    texts = [rng.normal(size=(n, 4)).astype(np.float32) for n in lengths]
    states, mask = np.full((len(texts), 8, 4), 99.0, np.float32), np.zeros((len(texts), 8), np.int64)
    for row, tokens in enumerate(texts):
        at = slice(8 - len(tokens), 8) if left else slice(0, len(tokens))
        states[row, at], mask[row, at] = tokens, 1
    by_hand = {"mean": lambda t: t.mean(axis=0), "last": lambda t: t[-1], "cls": lambda t: t[0]}[how]
    expected = np.array([by_hand(t) / np.linalg.norm(by_hand(t)) for t in texts])
    assert pool(states, mask, how) == pytest.approx(expected, abs=1e-5)


def write(folder, name, content):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def test_a_folder_without_files_keeps_the_fallback(tmp_path):
    fallback = Plan(pooling="last", max_tokens=77)
    assert read_plan(tmp_path, fallback) == fallback


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}, "cls"),
        ({"pooling_mode_lasttoken": True}, "last"),
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode": "lasttoken"}, "last"),
        ({"pooling_mode": ["mean"]}, "mean"),
    ],
)
def test_reads_what_sentence_transformers_writes(tmp_path, config, pooling):
    write(tmp_path, "modules.json", [{"type": "x.Transformer", "path": ""}, {"type": "x.Pooling", "path": "1_Pooling"}])
    write(tmp_path, "1_Pooling/config.json", config)
    write(tmp_path, "config_sentence_transformers.json", {"prompts": {"query": "query: ", "passage": "passage: "}})
    write(tmp_path, "sentence_bert_config.json", {"max_seq_length": 99})
    write(tmp_path, "config.json", {"model_type": "roberta", "max_position_embeddings": 80})
    plan = read_plan(tmp_path, Plan())
    assert plan == Plan(pooling=pooling, query="query: ", item="passage: ", max_tokens=78)
    assert read_plan(tmp_path, Plan(), {"item": "", "max_tokens": "9"}) == Plan(pooling=pooling, query="query: ", max_tokens=9)


@pytest.mark.parametrize(
    "config", [{"pooling_mode": "max"}, {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, "{"]
)
def test_a_pooling_that_is_not_known_is_refused(tmp_path, config):
    write(tmp_path, "modules.json", [{"type": "x.Pooling", "path": "1_Pooling"}])
    write(tmp_path, "1_Pooling/config.json", config)
    with pytest.raises(EncoderError, match="Cure"):
        read_plan(tmp_path, Plan())


def test_arguments():
    options = {"pooling": "mean", "query": "query: ", "item": ""}
    assert parse_argument("a/b") == ("a/b", {})
    assert parse_argument("/x y?pooling=mean&query=query:%20&item=") == ("/x y", options)
    assert parse_argument(" /x y?item=&pooling=mean&query=query: ") == ("/x y", options)


def test_stamps_differ_with_plans():
    plans = [Plan(), Plan(pooling="cls"), Plan(query="q"), Plan(item="q"), Plan(max_tokens=5)]
    assert len({plan.stamp() for plan in plans}) == len(plans)
