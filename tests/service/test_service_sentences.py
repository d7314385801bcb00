"""What a service remembers of sentences: known ones for long, those met once for a while."""

import numpy as np
import pytest

from occasion.service.sentences import SentenceCache


class Counting:
    """An encoder that counts."""

    version, dim = "counting", 3

    def __init__(self):
        self.met = []

    def encode(self, texts, *, role="item", progress=None):
        self.met += texts
        return np.array([[len(text), 1, 2] for text in texts], np.float32)


@pytest.fixture
def cache():
    return SentenceCache(Counting(), room=4, new=2)


def asked(cache, *texts):
    cache.encoder.met.clear()
    for text in texts:
        assert cache.encode([text], role="query").tolist() == [[len(text), 1, 2]]
    return cache.encoder.met


def test_a_sentence_is_encoded_once(cache):
    assert asked(cache, "rain", "rain", "rain") == ["rain"]


def test_what_comes_once_goes_after_a_while_and_pushes_out_nothing_that_came_again(cache):
    asked(cache, "rain", "rain", "sun", "sun")
    asked(cache, *(f"once {n}" for n in range(20)))
    assert asked(cache, "rain", "sun", "once 19", "once 18") == []
    assert asked(cache, "once 5") == ["once 5"]


def test_of_those_that_came_again_the_least_recently_used_leaves_first(cache):
    for n in range(4):
        asked(cache, f"again {n}", f"again {n}")
    asked(cache, "again 0", "again 4", "again 4")
    assert asked(cache, "again 0", "again 2", "again 3", "again 4") == []
    assert asked(cache, "again 1") == ["again 1"]


def test_items_and_several_sentences_are_not_remembered(cache):
    cache.encode(["rain"], role="item")
    cache.encode(["rain", "sun"], role="query")
    assert asked(cache, "rain", "sun") == ["rain", "sun"]


def test_all_is_forgotten_on_request(cache):
    asked(cache, "rain", "sun", "sun")
    cache.forget()
    assert asked(cache, "rain", "sun") == ["rain", "sun"]


def test_what_is_remembered_cannot_be_written_on(cache):
    asked(cache, "rain")
    with pytest.raises(ValueError, match="read-only"):
        cache.encode(["rain"], role="query")[0, 0] = 7
