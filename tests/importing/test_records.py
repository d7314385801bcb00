"""Blocks of delimited text into records: what is right is kept, what is wrong is named, nothing vanishes."""

import csv
import io
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occasion.importing.records import BAD_QUOTES, NOT_UTF8, WRONG_COUNT, split_records

cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(['"', ",", "\n", "\r\n", 'a "b" c', "a,b"])


def written(rows, quoting=csv.QUOTE_MINIMAL):
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n", quoting=quoting).writerows(rows)
    return out.getvalue().encode()


def parts(block, records):
    return [block[s:e].rstrip(b"\r") for s, e in zip(records.starts.tolist(), records.ends.tolist(), strict=True)]


@given(st.lists(st.tuples(cells, cells, cells), max_size=10), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_what_a_csv_writer_writes_is_cut_into_its_records(rows, quoting):
    block = written(rows, quoting)
    records = split_records(block, ord(","), 3, quoting=True, last=True)
    assert records.faults == []
    again = [next(csv.reader(io.StringIO(part.decode(), newline=""))) for part in parts(block, records)]
    assert [tuple(row) for row in again] == rows
    assert records.rest == len(block)


@settings(deadline=None)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=12), st.data())
def test_a_cut_anywhere_changes_nothing(rows, data):
    block = written(rows, csv.QUOTE_ALL)
    cut = data.draw(st.integers(0, len(block)))
    first = split_records(block[:cut], ord(","), 2, quoting=True, last=False)
    rest = block[first.rest :]
    second = split_records(rest, ord(","), 2, quoting=True, last=True)
    whole = split_records(block, ord(","), 2, quoting=True, last=True)
    assert parts(block, first) + parts(rest, second) == parts(block, whole)
    lines = first.lines.tolist() + [first.rest_line + line for line in second.lines.tolist()]
    assert lines == whole.lines.tolist()


@given(st.binary(max_size=60), st.booleans(), st.booleans())
def test_any_bytes_are_accounted_for(block, quoting, last):
    records = split_records(block, ord(","), 2, quoting=quoting, last=last)
    spans = sorted([*zip(records.starts.tolist(), records.ends.tolist(), strict=True), *((s, e) for _, s, e, _ in records.faults)])
    covered = bytearray(block[: records.rest])
    for start, end in spans:
        covered[start:end] = b"\n" * (min(end, len(block)) - start)
    assert bytes(covered).strip(b"\r\n") == b"", "every byte is in a record, a fault, an empty line or the rest"
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
    if last:
        assert records.rest >= len(block)


@pytest.mark.parametrize(
    ("text", "good", "faults"),
    [
        ("a,b\nc\nd,e\n", ["a,b", "d,e"], [(1, WRONG_COUNT)]),
        ("a,b\nc,d,e\n\n\nf,g", ["a,b", "f,g"], [(1, WRONG_COUNT)]),
        ('a,5" pipe\nc,d\n', ["c,d"], [(0, BAD_QUOTES)]),
        ('a,"b\nc,d\ne,f\n', ["c,d", "e,f"], [(0, BAD_QUOTES)]),
        ('a,"b\nc,d"\ne,"f\n', ['a,"b\nc,d"'], [(2, BAD_QUOTES)]),
        ('a,"b"x\n"c\nd",e\nf,g\n', ['"c\nd",e', "f,g"], [(0, BAD_QUOTES)]),
        ('a,"b""c"\n"""",d\n', ['a,"b""c"', '"""",d'], []),
        ("a,b\r\nc,d\r\n\r\n", ["a,b", "c,d"], []),
        (b"a,b\nc,\xff\nd,\xe4\xbd\xa0\n".decode("latin-1"), ["a,b", "d,你"], [(1, NOT_UTF8)]),
    ],
)
def test_each_fault_costs_its_own_record_only(text, good, faults):
    block = text.encode("latin-1") if "\xff" in text else text.encode()
    records = split_records(block, ord(","), 2, quoting=True, last=True)
    assert [part.decode() for part in parts(block, records)] == good
    assert [(line, reason) for line, *_, reason in records.faults] == faults


def test_a_stray_quote_does_not_swallow_the_rest_of_a_large_file():
    rows = [f"u{n},i{n}" for n in range(200_000)]
    rows[10] = '"u10,i10'
    block = ("\n".join(rows) + "\n").encode()
    records = split_records(block, ord(","), 2, quoting=True, last=False)
    assert len(records.starts) == len(rows) - 1
    assert [(line, reason) for line, *_, reason in records.faults] == [(10, BAD_QUOTES)]
