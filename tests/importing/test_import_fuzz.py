"""Files that nobody meant to send: whatever the bytes, an import ends with a summary or one clear error, and the store stays whole.

OCCASION_FUZZ=500 in the environment looks longer.
"""

from __future__ import annotations

import gzip
import io
import json
import os

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from occasion.errors import OccasionError
from occasion.importing import import_files
from occasion.stores import open_store

EXAMPLES = int(os.environ.get("OCCASION_FUZZ", "25"))
ROWS = [
    {"user": f"u{n % 3}", "item": f"i{n % 4}", "type": "click", "value": 1.5, "at": 1_790_000_000 + n, "text": 'a "quoted", text\n'}
    for n in range(12)
]


def _parquet() -> bytes:
    out = io.BytesIO()
    pl.DataFrame(ROWS).write_parquet(out)
    return out.getvalue()


WHOLE = {
    "e.csv": pl.DataFrame(ROWS).write_csv().encode(),
    "e.tsv": pl.DataFrame(ROWS).write_csv(separator="\t").encode(),
    "e.jsonl": "\n".join(map(json.dumps, ROWS)).encode(),
    "e.parquet": _parquet(),
    "e.inter": b"user_id:token\titem_id:token\ttimestamp:float\n" + b"".join(b"u%d\ti%d\t%d.0\n" % (n, n, n) for n in range(9)),
    "e.csv.gz": gzip.compress(pl.DataFrame(ROWS).write_csv().encode()),
}
HARMS = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "double", "insert"]),
        st.floats(0, 1, exclude_max=True),
        st.integers(1, 40),
        st.binary(min_size=1, max_size=8) | st.sampled_from([b"\x00", b"\xff\xfe", b'"', b"\r", b"\n\n", b"\xed\xa0\x80", b"[" * 2000, b"9" * 400, b"nan"]),
    ),
    min_size=1,
    max_size=4,
)  # fmt: skip


def harmed(data: bytes, harms) -> bytes:
    for kind, where, length, piece in harms:
        at = int(where * len(data))
        if kind == "flip":
            data = data[:at] + bytes(b ^ 0x55 for b in data[at : at + length]) + data[at + length :]
        elif kind == "cut":
            data = data[:at] + data[at + length :]
        elif kind == "double":
            data = data[: at + length] + data[at:]
        else:
            data = data[:at] + piece + data[at:]
    return data


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    store = open_store(f"sqlite:///{folder / 'store.db'}")
    yield folder, store
    store.close()


def taken(place, name, data):
    folder, store = place
    path = folder / name
    path.write_bytes(data)
    before = store.counts()
    try:
        summary = import_files(store, path, rejects=folder / "rejects.jsonl")
    except OccasionError as error:
        assert "Cure" in str(error)
        assert "Traceback" not in str(error)
        return
    counts = summary.counts()
    assert counts["rows"] >= 0
    assert sum(store.counts().values()) >= sum(before.values())
    json.dumps(counts)


@pytest.mark.parametrize("name", WHOLE)
@settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(harms=HARMS)
def test_damaged_files(place, name, harms):
    taken(place, name, harmed(WHOLE[name], harms))


@settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    name=st.sampled_from([*WHOLE, "e", "e.zip", "e.jsonl.gz", "e.item", "e.user"]),
    data=st.binary(max_size=300) | st.text(max_size=300).map(lambda t: t.encode("utf-8", "surrogatepass")),
)
def test_arbitrary_bytes(place, name, data):
    taken(place, name, data)


def test_a_bomb_is_bounded_by_its_lines(place):
    """Ten megabytes of one endless line, a thousandth of it on the disk, is refused or rejected as one row."""
    taken(place, "bomb.jsonl.gz", gzip.compress(b"[" * 10_000_000))
    taken(place, "bomb.csv.gz", gzip.compress(b"user,item\n" + b"a" * 10_000_000))
