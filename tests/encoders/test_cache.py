import hashlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from occasion.encoders.cache import VectorCache, versions
from occasion.encoders.texts import unit
from occasion.errors import EncoderError, EncoderMismatchError, VectorIndexError


class HashEncoder:
    """A real, tiny encoder: a text's hash seeds its vector. Counts the texts it was given."""

    dim = 6

    def __init__(self, version="hash-1", wait=0.0):
        self.version, self.wait, self.seen = version, wait, []

    def encode(self, texts, *, role="item", progress=None):
        time.sleep(self.wait * len(texts))
        self.seen += texts
        seeds = [int.from_bytes(hashlib.blake2b((self.version + t).encode("utf-8", "replace")).digest()[:8], "big") for t in texts]
        return unit(np.array([np.random.default_rng(s).normal(size=self.dim) for s in seeds]).reshape(-1, self.dim))


def opened(folder, version="hash-1"):
    return VectorCache(folder, version, HashEncoder.dim)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(st.text(max_size=3), max_size=6), max_size=5), chunk=st.integers(1, 4))
def test_known_or_fresh_gives_the_same_and_nothing_is_encoded_twice(tmp_path_factory, batches, chunk):
    folder, encoder = tmp_path_factory.mktemp("cache"), HashEncoder()
    first = opened(folder)
    fresh = [first.encode(encoder, texts, chunk=chunk) for texts in batches]
    again = [opened(folder).encode(encoder, texts) for texts in batches]
    for texts, one, other in zip(batches, fresh, again, strict=True):
        assert one.shape == (len(texts), 6)
        assert np.array_equal(one, other)
        assert np.abs(one - HashEncoder().encode(texts)).max(initial=0) < 1e-3
    assert len(encoder.seen) == len(set(encoder.seen)) == len({t for b in batches for t in b}) == len(first)


def test_vectors_are_unit_length_again(tmp_path):
    vectors = opened(tmp_path).encode(HashEncoder(), ["a", "b"])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-6)
    assert vectors.dtype == np.float32


def test_known(tmp_path):
    cache = opened(tmp_path)
    cache.encode(HashEncoder(), ["a", "b"])
    assert cache.known(["b", "c", "a", "b"]).tolist() == [True, False, True, True]
    assert cache.known([]).tolist() == []


def test_many_rows_are_found_through_the_sorted_part(tmp_path):
    texts = [f"text {n}" for n in range(70_000)]
    cache, vectors = opened(tmp_path), np.random.default_rng(0).normal(size=(70_000, 6)).astype(np.float32)

    class Given(HashEncoder):
        def encode(self, texts, *, role="item", progress=None):
            return unit(vectors[[int(t.split()[1]) for t in texts]])

    cache.encode(Given(), texts, chunk=20_000)
    cache.encode(HashEncoder(), ["later"])
    encoder = HashEncoder()
    for one in (cache, opened(tmp_path)):
        found = one.encode(encoder, ["text 0", "text 69999", "later", "text 35000"])
        assert np.abs(found[[0, 1, 3]] - unit(vectors[[0, 69_999, 35_000]])).max() < 1e-3
    assert encoder.seen == []


def test_versions_live_apart_and_are_listed(tmp_path):
    one, other = HashEncoder("openai:text-embedding-3-small/512"), HashEncoder("日本語 model")
    a = opened(tmp_path, one.version).encode(one, ["x"])
    b = opened(tmp_path, other.version).encode(other, ["x"])
    assert not np.allclose(a, b)
    assert versions(tmp_path) == sorted([one.version, other.version])
    assert versions(tmp_path / "none") == []
    assert np.array_equal(opened(tmp_path, one.version).encode(one, ["x"]), a)


def test_another_encoder_is_refused(tmp_path):
    with pytest.raises(EncoderMismatchError, match=r"'hash-1'.*'hash-2'"):
        opened(tmp_path).encode(HashEncoder("hash-2"), ["x"])


def test_an_interrupt_loses_one_chunk_at_most(tmp_path):
    class Stopped(HashEncoder):
        def encode(self, texts, *, role="item", progress=None):
            if "t25" in texts:
                raise KeyboardInterrupt
            return super().encode(texts)

    texts = [f"t{n}" for n in range(40)]
    with pytest.raises(KeyboardInterrupt):
        opened(tmp_path).encode(Stopped(), texts, chunk=10)
    encoder, seen = HashEncoder(), []
    opened(tmp_path).encode(encoder, texts, chunk=10, progress=lambda *p: seen.append(p))
    assert encoder.seen == texts[20:]
    assert seen == [(30, 40), (40, 40)]


@pytest.mark.parametrize("name", ["rows.idx", "vectors.f16"])
@pytest.mark.parametrize("lost", [1, 7, 13, 25, 100])
def test_a_cut_file_loses_its_tail_alone(tmp_path, name, lost):
    texts = [f"t{n}" for n in range(30)]
    before = opened(tmp_path).encode(HashEncoder(), texts)
    (path,) = tmp_path.glob(f"*/{name}")
    os.truncate(path, path.stat().st_size - lost)
    encoder = HashEncoder()
    assert np.array_equal(opened(tmp_path).encode(encoder, texts), before)
    assert 1 <= len(encoder.seen) <= 10
    encoder = HashEncoder()
    assert np.array_equal(opened(tmp_path).encode(encoder, texts), before)
    assert encoder.seen == []


@pytest.mark.parametrize("name", ["rows.idx", "vectors.f16"])
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_rows_are_made_anew(tmp_path_factory, name, data):
    folder, texts = tmp_path_factory.mktemp("cache"), [f"t{n}" for n in range(30)]
    before = opened(folder).encode(HashEncoder(), texts)
    (path,) = folder.glob(f"*/{name}")
    content = bytearray(path.read_bytes())
    start = data.draw(st.integers(0, len(content) - 8))
    content[start : start + 8] = bytes(b ^ 0xFF for b in content[start : start + 8])
    path.write_bytes(content)
    encoder = HashEncoder()
    assert np.array_equal(opened(folder).encode(encoder, texts), before)
    assert 1 <= len(encoder.seen) <= 2
    encoder = HashEncoder()
    cache = opened(folder)
    assert np.array_equal(cache.encode(encoder, texts), before)
    assert np.array_equal(cache.encode(encoder, texts), before)
    assert encoder.seen == []


def test_a_damaged_description_is_written_anew(tmp_path):
    opened(tmp_path).encode(HashEncoder(), ["a"])
    (path,) = tmp_path.glob("*/about.json")
    path.write_bytes(b"\xff\x00{")
    assert versions(tmp_path) == [path.parent.name]
    assert len(opened(tmp_path)) == 1
    assert versions(tmp_path) == ["hash-1"]


@pytest.mark.parametrize("made", [np.zeros((2, 5), np.float32), np.full((2, 6), np.nan, np.float32)])
def test_what_a_broken_encoder_gives_is_not_kept(tmp_path, made):
    class Broken(HashEncoder):
        def encode(self, texts, *, role="item", progress=None):
            return made

    cache = opened(tmp_path)
    with pytest.raises(EncoderError, match="Cure"):
        cache.encode(Broken(), ["a", "b"])
    assert len(cache) == 0


def test_what_is_no_text_is_refused(tmp_path):
    with pytest.raises(EncoderError, match="text 1 is of type NoneType"):
        opened(tmp_path).encode(HashEncoder(), ["a", None])


def test_a_file_in_the_way_is_one_clear_error(tmp_path):
    (tmp_path / "vectors").write_text("not a folder")
    with pytest.raises(VectorIndexError, match="vectors"):
        opened(tmp_path / "vectors")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
def test_a_full_disk_is_one_clear_error_and_harms_nothing(tmp_path):
    cache = opened(tmp_path)
    before = cache.encode(HashEncoder(), ["a"])
    path = cache.folder / "vectors.f16"
    kept = path.read_bytes()
    path.unlink()
    path.symlink_to("/dev/full")
    with pytest.raises(VectorIndexError, match="Cure: free disk space"):
        cache.encode(HashEncoder(), ["b"])
    path.unlink()
    path.write_bytes(kept)
    encoder = HashEncoder()
    assert np.array_equal(opened(tmp_path).encode(encoder, ["a"]), before)
    assert encoder.seen == []


def _encode_many(folder, start):
    cache, encoder = opened(folder), HashEncoder()
    for at in range(start, start + 200, 20):
        cache.encode(encoder, [f"t{n}" for n in range(at, at + 20)], chunk=5)


def test_two_processes_write_at_once(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_encode_many, args=(tmp_path, start)) for start in (0, 100, 0)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [p.exitcode for p in processes] == [0, 0, 0]
    encoder, cache = HashEncoder(), opened(tmp_path)
    texts = [f"t{n}" for n in range(300)]
    assert np.abs(cache.encode(encoder, texts) - HashEncoder().encode(texts)).max() < 1e-3
    assert encoder.seen == []
    assert len(cache) == 300


WRITER = """
import sys, pathlib
sys.path.insert(0, sys.argv[2])
from test_cache import HashEncoder, opened
cache = opened(pathlib.Path(sys.argv[1]))
print("ready", flush=True)
for n in range(10_000):
    cache.encode(HashEncoder(), [f"t{n}-{m}" for m in range(3)])
    print(n, flush=True)
"""


def test_what_was_returned_survives_kill(tmp_path):
    for round_ in range(4):
        command = [sys.executable, "-c", WRITER, str(tmp_path), os.path.dirname(__file__)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "ready\n"
            for _ in range(3 + round_):
                process.stdout.readline()
            time.sleep(0.003 * round_)
            process.send_signal(signal.SIGKILL)
            last = [line for line in process.stdout if line.endswith("\n")]
        done = int(last[-1]) if last else 2 + round_
        encoder = HashEncoder()
        texts = [f"t{n}-{m}" for n in range(done + 1) for m in range(3)]
        found = opened(tmp_path).encode(encoder, texts)
        assert encoder.seen == []
        assert np.abs(found - HashEncoder().encode(texts)).max() < 1e-3
