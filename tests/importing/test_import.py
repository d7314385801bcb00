"""Importing real files: what comes in, what is rejected and why, what a second import changes."""

import gzip
import io
import json
import os
from contextlib import closing
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from occasion.data import Event, Item, User
from occasion.errors import DataError
from occasion.importing import import_files, jsonlines, plan_files
from occasion.importing.files import find_files
from occasion.importing.report import EXAMPLES
from occasion.people import PURPOSES
from occasion.privacy.guarded import open_guarded
from occasion.settings import load_settings
from occasion.stores import open_store


@pytest.fixture
def store(tmp_path):
    store = open_store(f"sqlite:///{tmp_path / 'o.db'}")
    yield store
    store.close()


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def plain(events):
    return [(e.user, e.item, e.type, e.value, e.at) for e in events]


# -- choices of people --------------------------------------------------------------------------------------------------
def test_choices_of_other_systems_in_any_order(store, write):
    path = write(
        "consents.csv",
        "customer_id,purpose,granted,timestamp\n"
        "ann,train,no,2026-11-03\nann,train,yes,2026-11-01\nbob,analyse,1,2026-11-02\n"
        "bob,dancing,yes,2026-11-02\nbob,,yes,2026-11-02\n,train,no,2026-11-02\ncarl,train,perhaps,2026-11-02\n",
    )
    summary = import_files(store, path)
    assert [c.granted for c in store.consents("ann")] == [True, False]
    assert [c.purpose for c in store.consents("bob")] == ["analyse"]
    assert (summary.new, summary.plans[0].kind) == (3, "consents")
    assert [(r.line, r.column, r.who) for r in summary.examples] == [
        (5, "", "bob"),
        (6, "purpose", "bob"),
        (7, "", ""),
        (8, "granted", "carl"),
    ]


def test_nothing_is_kept_of_those_who_refuse_everything(tmp_path, write):
    events = write("events.csv", "user,item,time\nann,a,2026-11-03\nbob,a,2026-11-03\n")
    rows = "".join(f"ann,{purpose},false,1.7e9\n" for purpose in PURPOSES)
    consents = write("people.csv", "user,purpose,granted,at\n" + rows)
    with closing(open_guarded(load_settings(home=tmp_path / "home", pseudonymous=True))) as store:
        assert import_files(store, [events, consents]).new == 4, "choices go in first"
        assert store.person("ann").events == ()
        assert len(store.person("bob").events) == 1
        assert len(store.consents("ann")) == 3
        assert import_files(store, [events, consents]).new == 0


def test_signals_that_cannot_be_are_counted_and_their_rows_taken(store, write):
    path = write(
        "events.csv",
        "user,session,item,time,ctx_latitude,ctx_hour\n"
        "ann,,a,2026-11-03,131.2,25\n,s1,b,2026-11-03,48.1,7\n,s2,b,2026-11-03,north,\nbob,,,2026-11-03,200,9\n",
    )
    summary = import_files(store, path)
    assert (summary.new, summary.rejections, summary.warned) == (3, 1, 2), "a rejected row gets no warning too"
    assert [(w.line, w.signals, w.who) for w in summary.warnings] == [
        (2, "latitude '131.2' (-90 to 90), hour 25 (0 to 23)", "ann"),
        (4, "latitude 'north' (-90 to 90)", "s2"),
    ]
    assert {e.signals.get("latitude") for e in store.read_events()} == {"131.2", "48.1", "north"}
    assert "2 taken with signals that are not usable" in summary.sentence()
    again = import_files(store, path, validate_only=True)
    assert (again.warned, again.warnings) == (2, summary.warnings)
    plain = import_files(store, write("plain.csv", "user,item,time,ctx_latitude\nann,a,2026-11-04,48.1\nann,b,2026-11-04,\n"))
    assert (plain.warned, plain.warnings) == (0, [])
    assert "usable" not in plain.sentence()


def test_many_warnings_are_counted_and_the_first_kept(store, write):
    rows = "".join(f"u{n},a,2026-11-03,{n}\n" for n in range(300))
    summary = import_files(store, write("events.csv", "user,item,time,ctx_hour\n" + rows))
    assert (summary.new, summary.warned, len(summary.warnings)) == (300, 276, EXAMPLES)


def test_behind_pseudonyms_warnings_hold_neither_ids_nor_values(tmp_path, write):
    events = write("events.csv", "user,item,time,ctx_latitude\nann,a,2026-11-03,131.2\n")
    with closing(open_guarded(load_settings(home=tmp_path / "home", pseudonymous=True))) as store:
        (warned,) = import_files(store, events).warnings
    assert warned.signals == ""
    assert warned.who
    assert "ann" not in warned.who


# -- formats ------------------------------------------------------------------------------------------------------------
TABLE = pl.DataFrame(
    {
        "user_id": ["1", "2", "1"],
        "item_id": ["a", "b", "c,d"],
        "rating": [4.0, 2.5, None],
        "timestamp": [1488283384, 1488283385, 1488283386],
        "ctx_weather": ["rain", None, 'very "nice"'],
    }
)
EXPECTED = [
    ("1", "a", "rating", 4.0, 1488283384.0),
    ("2", "b", "rating", 2.5, 1488283385.0),
    ("1", "c,d", "rating", None, 1488283386.0),
]


def as_atomic(table):
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float\tctx_weather:token"
    return "\n".join([header, *("\t".join("" if v is None else str(v) for v in row) for row in table.iter_rows())]) + "\n"


def as_parquet(table):
    out = io.BytesIO()
    table.write_parquet(out)
    return out.getvalue()


FORMS = {
    "x.csv": lambda t: t.write_csv(),
    "semicolons.csv": lambda t: t.write_csv(separator=";"),
    "x.tsv": lambda t: t.write_csv(separator="\t"),
    "windows.csv": lambda t: "\ufeff" + t.write_csv(line_terminator="\r\n"),
    "x.jsonl": lambda t: t.write_ndjson(),
    "x.parquet": as_parquet,
    "x.inter": as_atomic,
    "x.csv.gz": lambda t: gzip.compress(t.write_csv().encode()),
    "x.jsonl.gz": lambda t: gzip.compress(t.write_ndjson().encode()),
    "no ending": lambda t: t.write_csv(),
    "no ending json": lambda t: t.write_ndjson(),
    "no ending parquet": as_parquet,
}


@pytest.mark.parametrize("name", FORMS)
def test_every_format_gives_the_same_events(store, write, name):
    path = write(name, FORMS[name](TABLE))
    summary = import_files(store, path)
    assert (summary.rows, summary.new, summary.unchanged, summary.rejections) == (3, 3, 0, 0)
    assert plain(store.read_events()) == EXPECTED
    assert [dict(e.signals) for e in store.read_events()] == [{"weather": "rain"}, {}, {"weather": 'very "nice"'}]
    again = import_files(store, path)
    assert (again.rows, again.new, again.unchanged) == (3, 0, 3)


def test_the_same_rows_from_another_format_are_the_same_events(store, write):
    import_files(store, write("x.csv", FORMS["x.csv"](TABLE)))
    assert import_files(store, write("x.parquet", as_parquet(TABLE))).new == 0


def test_files_by_pattern_items_first(store, write, tmp_path):
    write("z-items.csv", "item_id,title\na,Tea\n")
    write("events-1.csv", "user,item\nu,a\n")
    write("events-2.csv", "user,item\nv,a\n")
    summary = import_files(store, [str(tmp_path / "*.csv"), str(tmp_path / "events-1.csv")])
    assert [plan.kind for plan in summary.plans] == ["items", "events", "events"]
    assert summary.new == 3


def test_standard_input(store):
    summary = import_files(store, "-", stdin=io.BytesIO(b'{"user": "u", "item": "a"}\n'))
    assert summary.new == 1
    assert summary.plans[0].file == "standard input"


def test_a_file_without_header(store, write):
    path = write("u.data", "196\t242\t3\t881250949\n186\t302\t3\t891717742\n")
    assert import_files(store, path, names=["user", "item", "rating", "timestamp"]).new == 2
    assert plain(store.read_events())[0] == ("196", "242", "rating", 3.0, 881250949.0)


def test_items_of_all_kinds_of_columns(store, write):
    path = write(
        "products.csv",
        "sku,product_name,department,category,tags,brand,price,in_stock,weight,ean,image_url\n"
        'a/1,"Tea, green",Food,Tea,hot|bio,Acme,"$1,299.50",true,0.5,0012345678905,https://x/a.jpg\n',
    )
    import_files(store, path)
    assert store.get_items(["a/1"])["a/1"] == Item(
        id="a/1",
        text={"title": "Tea, green", "brand": "Acme"},
        attributes={"tags": ("hot", "bio"), "brand": "Acme", "in_stock": "true", "weight": 0.5, "ean": "0012345678905"},
        categories=("Food", "Tea"),
        price=1299.5,
        media={"image": "https://x/a.jpg"},
    )


def test_recbole_items_and_users(store, write):
    write("ml.item", "item_id:token\tmovie_title:token_seq\tclass:token_seq\tyear:float\n7\tToy Story\tAnimation Comedy\t1995\n")
    item = write("ml.item", "item_id:token\tclass:token_seq\tyear:float\n7\tAnimation Comedy\t1995\n")
    user = write("ml.user", "user_id:token\tage:float\tzip:token\n1\t24\t00711\n")
    import_files(store, [item, user])
    assert store.get_items(["7"])["7"].categories == ("Animation", "Comedy")
    assert store.get_items(["7"])["7"].attributes == {"year": 1995}
    assert store.get_user("1") == User(id="1", attributes={"age": 24, "zip": "00711"})


def test_nested_json_lines(store, write):
    rows = [
        {
            "id": "e1",
            "user": 7,
            "item": "a",
            "type": "buy",
            "value": 2,
            "signals": {"n": 1, "x": 1.0, "ok": True, "t": "1"},
            "text": "at home",
        },
        {"id": "e2", "session": "s", "item": "b", "at": "2026-01-01T00:00:00Z", "signals": {}},
    ]
    import_files(store, write("x.jsonl", "\n".join(map(json.dumps, rows))))
    first, second = store.read_events()
    assert first == Event(
        id="e1", user="7", item="a", type="buy", value=2.0, text="at home", signals={"n": 1, "x": 1.0, "ok": True, "t": "1"}
    )
    assert [type(v) for v in dict(first.signals).values()] == [type(v) for v in {"n": 1, "ok": True, "t": "1", "x": 1.0}.values()]
    assert second == Event(id="e2", session="s", item="b", at=1767225600.0)


def test_columns_that_come_up_late_count_too(store, write, monkeypatch):
    monkeypatch.setattr("occasion.importing.jsonlines.ROWS", 1000)
    rows = [{"id": f"i{n}", "title": f"thing {n}"} for n in range(2500)] + [
        {"id": "last", "title": "x", "colour": "red", "price": 2}
    ]
    import_files(store, write("items.jsonl", "\n".join(map(json.dumps, rows))))
    assert store.get_items(["last"])["last"].attributes == {"colour": "red"}
    assert store.get_items(["last"])["last"].price == 2.0


def test_parquet_of_many_types(store, write):
    from datetime import datetime

    table = pl.DataFrame(
        {
            "user": [1, 2],
            "item": [1.0, 2.0],
            "at": [datetime(2026, 1, 1), None],
            "signals": [{"mood": "good", "n": 1}, {"mood": None, "n": 2}],
            "quantity": pl.Series([1, 2], dtype=pl.Int8),
        }
    )
    summary = import_files(store, write("x.parquet", as_parquet(table)), time_zone="Asia/Shanghai")
    assert not summary.examples
    events = list(store.read_events())
    assert plain(events) == [("1", "1", "purchase", 1.0, 1767225600.0 - 8 * 3600), ("2", "2", "purchase", 2.0, None)]
    assert [dict(e.signals) for e in events] == [{"mood": "good", "n": 1}, {"n": 2}]


def test_event_types_of_other_systems(store, write):
    path = write("events.csv", "visitorid,itemid,event\n1,a,addtocart\n1,b,transaction\n1,c,view\n1,d,my own\n")
    import_files(store, path)
    assert [e.type for e in store.read_events()] == ["cart", "purchase", "view", "my own"]


def test_shown_and_clicked(store, write):
    import_files(store, write("x.csv", "user,item,clicked\nu,a,1\nu,b,0\nu,c,\n"))
    assert [e.type for e in store.read_events()] == ["click", "impression", "impression"]


# -- ids that tell events apart ---------------------------------------------------------------------------------------------
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["u", "v", 'q"', "é", "\t"]) | st.none(),
        st.sampled_from(["s", "t"]) | st.none(),
        st.sampled_from(["a", "b/c"]),
        st.sampled_from(["click", "buy"]),
        st.none() | st.floats(-1e6, 1e6),
        st.none() | st.floats(0, 1e10),
        st.sampled_from(["", "at home", 'say "hi"']),
        st.dictionaries(
            st.sampled_from(["n", "weather", "é"]), st.integers() | st.floats(-1e3, 1e3) | st.text(max_size=3) | st.booleans()
        ),
        st.none() | st.just("slate"),
    ).filter(lambda row: row[0] or row[1]),
    min_size=1,
    max_size=12,
)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS)
def test_rows_get_the_ids_that_events_would_have(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("x")
    names = ("user", "session", "item", "type", "value", "at", "text", "signals", "slate")
    events = [Event(**{n: v for n, v in zip(names, row, strict=True) if v is not None}) for row in rows if row[0] != "\t"]
    lines = [json.dumps({n: v for n, v in zip(names, row, strict=True) if v is not None}) for row in rows]
    (folder / "events.jsonl").write_text("\n".join(lines), "utf-8")
    store = open_store(f"sqlite:///{folder / 'o.db'}")
    summary = import_files(
        store, str(folder / "events.jsonl"), kind="events", mapping={"user": "user"} if any(r[0] for r in rows) else None
    )
    assert summary.rejections == sum(row[0] == "\t" for row in rows)
    stored = list(store.read_events())
    assert [e.id for e in stored] == list(dict.fromkeys(e.id for e in events))
    assert store.append(events) == 0, "an event sent again through the interface is known"
    store.close()


def test_equal_rows_without_ids_are_one_event_and_are_counted(store, write):
    summary = import_files(store, write("orders.csv", "user,item,time\n" + "u,a,2026-01-01\n" * 3 + "u,b,2026-01-01\n"))
    assert (summary.rows, summary.new, summary.unchanged, summary.rejections) == (4, 2, 2, 0)


def test_ids_that_belong_to_baskets_do_not_swallow_their_lines(store, write):
    rows = "".join(f"b{n // 3},u,i{n}\n" for n in range(9))
    summary = import_files(store, write("x.csv", "event_id,user,item\n" + rows))
    assert summary.new == 9
    assert any("does not tell events apart" in note for note in summary.plans[0].notes)


def test_ids_that_are_delivered_twice_are_known(store, write):
    summary = import_files(store, write("x.csv", "event_id,user,item\ne1,u,a\ne2,u,b\ne1,u,a\n"))
    assert (summary.new, summary.unchanged) == (2, 1)
    assert [e.id for e in store.read_events()] == ["e1", "e2"]


def test_changed_items_are_news(store, write):
    import_files(store, write("items.csv", "id,title\na,Tea\nb,Pot\n"))
    summary = import_files(store, write("items.csv", "id,title\na,Tea\nb,Kettle\nc,Cup\n"))
    assert (summary.new, summary.unchanged) == (2, 1)
    assert store.get_items(["b"])["b"].title == "Kettle"


# -- rejected rows ----------------------------------------------------------------------------------------------------------
def test_every_fault_is_explained_and_costs_one_row(store, write, tmp_path):
    good = "u,a,3,2026-01-01\n"
    bad = {
        ",a,3,2026-01-01\n": ("user", "", "no user and no session"),
        "u,,3,2026-01-01\n": ("item", "", "no item"),
        "u,a,three,2026-01-01\n": ("rating", "three", "not a number"),
        "u,a,NaN,2026-01-01\n": ("rating", "NaN", "not a finite number"),
        "u,a,inf,2026-01-01\n": ("rating", "inf", "not a finite number"),
        "u,a,3,next week\n": ("time", "next week", "not a time"),
        "u,a,3,50000000000\n": ("time", "50000000000", "a time outside the years 1900 to 2500"),
        "u,a,3\n": ("", "u,a,3", "wrong number of columns"),
        "u,a,3,2026-01-01,x\n": ("", "u,a,3,2026-01-01,x", "wrong number of columns"),
        'u,a"b,3,2026-01-01\n': ("", 'u,a"b,3,2026-01-01', "bad quotes"),
        f"{'u' * 600},a,3,2026-01-01\n": ("user", "u" * 200, "an id has more than 512 characters"),
        "   ,a,3,2026-01-01\n": ("user", "   ", "an id is empty"),
    }
    text = "user,item,rating,time\n" + "".join(good.replace("u", f"u{n}") + line for n, line in enumerate(bad))
    path = write("x.csv", text.encode() + b"u\xff,a,3,2026-01-01\n")
    rejects = tmp_path / "deep" / "rejects.jsonl"
    summary = import_files(store, path, rejects=rejects)
    assert summary.rows == 2 * len(bad) + 1
    assert summary.new == store.counts()["events"] == len(bad)
    listed = [json.loads(line) for line in rejects.read_text("utf-8").splitlines()]
    found = {row["line"]: (row["column"], row["value"], row["reason"]) for row in listed}
    assert found == {2 * n + 3: row for n, row in enumerate(bad.values())} | {
        2 * len(bad) + 2: ("", "u\ufffd,a,3,2026-01-01", "not UTF-8")
    }
    assert {row["file"] for row in listed} == {path}
    assert summary.rejected["wrong number of columns"] == 2
    assert "wrong number of columns" in summary.sentence()
    assert import_files(store, path).new == 0


def test_json_lines_that_are_none(store, write):
    lines = [
        b'{"user":"u","item":"a","signals":{"n":1}}',
        b"{",
        b"[1]",
        b"7",
        b'{"user":"u","item":"a","value":NaN}',
        b"\xff",
        b'{"user":"u\\ud800","item":"a"}',
        b'{"user":"u","item":"b","signals":[1]}',
        b'{"user":"u","item":"b","signals":{"x":' + b"9" * 5000 + b"}}",
        b'{"user":"u","item":"c"}',
        b'{"user":{"id":1},"item":"c"}',
    ]
    summary = import_files(store, write("x.jsonl", b"\n".join(lines)))
    assert [(r.line, r.reason) for r in summary.examples] == [
        (2, "not JSON"),
        (3, "not a JSON object"),
        (4, "not a JSON object"),
        (5, "not JSON"),
        (6, "not UTF-8"),
        (7, "half a character (a lone surrogate)"),
        (8, "not a JSON object"),
        (9, "not JSON"),
    ]
    assert [(e.user, e.item) for e in store.read_events()] == [("u", "a"), ("u", "c"), ('{"id":1}', "c")]


def test_json_lines_without_end_take_no_memory(store, write, monkeypatch):
    """What a few zipped megabytes hold must not come into memory as one: rows come by the megabyte, a line without end is none."""
    monkeypatch.setattr(jsonlines, "MAX_LINE", 400)
    monkeypatch.setattr(jsonlines, "BLOCK", 1000)
    rows = [json.dumps({"user": f"u{n}", "item": "a", "text": "x" * 90}) for n in range(40)]
    endless = '{"user":"' + "y" * 5000
    path = write("x.jsonl.gz", gzip.compress("\n".join([*rows[:20], endless, *rows[20:], endless]).encode()))
    (found,) = find_files([path])
    chunks = list(jsonlines.JsonLinesReader(found).chunks())
    assert max(len(chunk) for chunk in chunks) < 12
    assert sum(len(text) for chunk in chunks for _, text, _ in chunk.faults) <= 2 * jsonlines.SHOWN
    again = next(iter(jsonlines.JsonLinesReader(found).chunks(chunks[2].position, chunks[2].line)))
    assert again.lines == chunks[3].lines, "reading goes on where a chunk ended"
    summary = import_files(store, path)
    assert summary.new == 40
    assert [(reject.line, reject.reason) for reject in summary.examples] == [(21, jsonlines.TOO_LONG), (42, jsonlines.TOO_LONG)]


def test_items_that_are_none(store, write):
    path = write(
        "items.csv",
        "id,title,price,available_from,available_until\n"
        "a,Tea,1,,\n,No id,1,,\nb,Minus,-1,,\nc,Word,cheap,,\nd,Long,"
        + "1,,\n"
        + "e,Back,1,2026-02-01,2026-01-01\nf,"
        + "x" * 100_001
        + ",1,,\n",
    )
    summary = import_files(store, path)
    assert {r.line: (r.column, r.reason) for r in summary.examples} == {
        3: ("id", "an id is empty"),
        4: ("price", "a price is negative"),
        5: ("price", "not a number"),
        7: ("", "item 'e' is available from 1769904000.0 until 1767225600.0: the end must lie after the start."),
        8: ("title", "a text has more than 100000 characters"),
    }
    assert sorted(stored.id for stored in store.items()) == ["a", "d"]


def test_nan_in_parquet(store, write):
    table = pl.DataFrame({"user": ["u", "u"], "item": ["a", "b"], "rating": [float("nan"), 1.0], "ctx_x": [1.0, float("inf")]})
    summary = import_files(store, write("x.parquet", as_parquet(table)))
    assert [(r.line, r.column, r.value, r.reason) for r in summary.examples] == [
        (1, "rating", "nan", "not a finite number"),
        (2, "ctx_x", "inf", "not a finite number"),
    ]


def test_rows_are_new_unchanged_or_rejected(store, write):
    text = "user,item\n" + "".join(f"{'u' if n % 3 else ''},i{n % 7}\n" for n in range(100))
    summary = import_files(store, write("x.csv", text))
    assert summary.rows == summary.new + summary.unchanged + summary.rejections == 100


def test_quotes_in_tsv_may_be_plain_characters(store, write):
    path = write("items.tsv", 'id\ttitle\na\t5" pipe\nb\t"quoted"\n')
    assert not import_files(store, path).examples
    assert store.get_items(["a"])["a"].title == '5" pipe'


def test_validation_writes_nothing(store, write, tmp_path):
    path = write("x.csv", "user,item\nu,a\nu,\n")
    summary = import_files(None, path, validate_only=True, rejects=tmp_path / "r.jsonl")
    assert (summary.rows, summary.valid, summary.new, summary.rejections) == (2, 1, 0, 1)
    assert "1 valid" in summary.sentence()
    assert (tmp_path / "r.jsonl").read_text().count("\n") == 1
    summary = import_files(store, path, validate_only=True)
    assert store.cursor() == (0, 0, 0)


# -- files that cannot be understood ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("x.csv", "", "empty line"),
        ("empty", "", "empty"),
        ("x.csv", "a,b\n1,2\n", "cannot tell"),
        ("x.csv", "user,item,user\nu,a,u\n", "twice"),
        ("x.csv", "user,item\nu,a\n".encode("utf-16"), "UTF-16"),
        ("x.csv", b"us\xffer,item\nu,a\n", "header is not UTF-8"),
        ("x.jsonl", "[\n", "no row"),
        ("x.parquet", "PAR1 but not really", "Parquet"),
        ("x.parquet", gzip.compress(as_parquet(TABLE)), "gunzip"),
        ("x.zip", b"PK\x03\x04....\n", "no known format"),
        ("x.csv.gz", gzip.compress(b"user,item\n" + b"u,a\n" * 50_000)[:-20], "breaks off"),
    ],
)
def test_a_file_that_cannot_be_understood_says_so(store, write, name, content, word):
    with pytest.raises(DataError, match=word) as caught:
        import_files(store, write(name, content))
    assert name in str(caught.value)
    assert store.counts()["items"] == 0


def test_a_file_that_cannot_be_understood_stops_all_before_the_first_row(store, write):
    good, bad = write("good.csv", "user,item\nu,a\n"), write("bad.csv", "a,b\n1,2\n")
    with pytest.raises(DataError, match=r"bad\.csv"):
        import_files(store, [good, bad])
    assert store.counts()["events"] == 0


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"kind": "things"}, "kind"),
        ({"format": "xls"}, "format"),
        ({"time_zone": "Mars/Base"}, "time zone"),
        ({"mapping": {"user": "nobody"}}, "nobody"),
    ],
)
def test_options_that_cannot_be_understood(store, write, options, word):
    with pytest.raises(DataError, match=word):
        import_files(store, write("x.csv", "user,item\nu,a\n"), **options)


def test_paths_that_name_nothing(store, tmp_path):
    for path in ("nowhere.csv", str(tmp_path), str(tmp_path / "*.csv"), []):
        with pytest.raises(DataError, match="Cure"):
            import_files(store, path)
    with pytest.raises(DataError, match="no store"):
        import_files(None, str(tmp_path))


def test_plans_without_importing(write):
    (plan,) = plan_files(write("orders.csv", "customer,product,quantity\n1,2,3\n"))
    assert plan.sentences()[1:] == [
        "customer gives the user",
        "product gives the item",
        "quantity gives the value",
        "each row is a purchase",
    ]


def test_progress_is_told_in_bytes(store, write):
    told = []
    path = write("x.csv", "user,item\n" + "".join(f"u{n},i{n}\n" for n in range(1000)))
    import_files(store, path, progress=lambda done, total: told.append((done, total)))
    sizes = {total for _, total in told}
    assert sizes == {os.path.getsize(path)}
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == told[-1][1]


def test_chinese_columns_and_acts_and_dates_that_begin_with_the_day(store, write):
    orders = write(
        "订单.csv",
        "用户编号,商品编号,行为,时间,天气\n张三,1001,购买,2026年11月3日 10:20,下雨\n李四,1003,浏览,2026-11-04 08:05,晴\n",
    )
    dated = write("fr.csv", "user,item,date\nann,x,31/12/2025 14:05\nann,y,01/02/2026\n")
    assert not import_files(store, [orders, dated]).rejected
    found = {(e.user, e.item): (e.type, datetime.fromtimestamp(e.at, UTC).isoformat()[:16]) for e in store.read_events()}
    assert found == {
        ("张三", "1001"): ("purchase", "2026-11-03T10:20"),
        ("李四", "1003"): ("view", "2026-11-04T08:05"),
        ("ann", "x"): ("click", "2025-12-31T14:05"),
        ("ann", "y"): ("click", "2026-02-01T00:00"),
    }
