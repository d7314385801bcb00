"""import, doctor and export, run as a person runs them."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest
from cli_shop import GOODS, OCCASION, inside, occasion

ITEMS = "sku,name,category,price\na,Apple juice,drinks,2\nb,Bread,bakery,3\n"
EVENTS = "user,item,type,time\nann,a,purchase,2026-01-01T10:00\nann,b,click,2026-01-01T11:00\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "items.csv").write_text(ITEMS, "utf-8")
    (tmp_path / "events.csv").write_text(EVENTS, "utf-8")
    return tmp_path


def test_import_tells_what_it_understood_and_twice_is_harmless(files: Path) -> None:
    paths = [str(files / "items.csv"), str(files / "events.csv")]
    first = occasion("import", *paths, home=files / "home")
    assert first.code == 0
    assert "4 new" in first.out
    assert "name" in first.err
    assert "title" in first.err
    again = json.loads(occasion("import", *paths, "--json", "-q", home=files / "home").out)
    assert (again["new"], again["unchanged"], again["rejected"]) == (0, 4, {})


def test_plan_and_validate_write_nothing(files: Path) -> None:
    plan = occasion("import", str(files / "*.csv"), "--plan", "--map", "attributes.label=name", home=files / "home")
    assert plan.code == 0
    assert "items.csv: items" in plan.out
    checked = json.loads(occasion("import", str(files / "*.csv"), "--validate-only", "--json", home=files / "home").out)
    assert checked["validate_only"] is True
    assert json.loads(occasion("info", "--json", home=files / "home").out)["counts"]["items"] == 0


def test_rejected_rows_are_explained_and_the_exit_code_says_so(files: Path) -> None:
    (files / "events.csv").write_text(EVENTS + "ann,,click,2026-01-01\nbob,a,click,next week\n", "utf-8")
    done = occasion("import", str(files / "events.csv"), home=files / "home")
    assert done.code == 6
    assert "line 4" in done.err
    assert "'next week'" in done.err
    rows = [json.loads(line) for line in (files / "home" / "rejects.jsonl").read_text("utf-8").splitlines()]
    assert [(row["line"], row["column"]) for row in rows] == [(4, "item"), (5, "time")]
    assert occasion("import", str(files / "events.csv"), "--allow-rejects", home=files / "home").code == 0


def test_signals_that_cannot_be_are_told_and_their_rows_taken(files: Path) -> None:
    rows = "user,item,type,time,ctx_latitude\nann,a,click,2026-01-01,131.2\nbob,a,click,2026-01-01,48.1\n"
    (files / "events.csv").write_text(rows, "utf-8")
    done = occasion("import", str(files / "events.csv"), home=files / "home")
    assert done.code == 0
    assert "2 new or changed" in done.out
    assert "1 taken with signals that are not usable" in done.out
    assert "line 2: taken, but not usable, and passed over: latitude 131.2 (-90 to 90)" in done.err
    assert not (files / "home" / "rejects.jsonl").exists()
    told = json.loads(occasion("import", str(files / "events.csv"), "--json", "-q", home=files / "home").out)
    assert (told["warned"], told["rejected"]) == (1, {})
    assert [(w["line"], w["signals"], w["who"]) for w in told["warnings"]] == [(2, "latitude 131.2 (-90 to 90)", "ann")]


def test_standard_input(files: Path) -> None:
    done = occasion("import", "-", "--kind", "items", "--json", home=files / "home", stdin=ITEMS)
    assert done.code == 0, done.err
    assert json.loads(done.out)["new"] == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nothing-*.csv",), "nothing-*.csv"),
        ((), "FILES"),
        (("items.csv", "--map", "id"), "--map id=sku"),
        (("items.csv", "--map", "id=nr"), "'nr'"),
        (("items.csv", "--kind", "things"), "things"),
    ],
)
def test_what_cannot_be_understood_is_one_error(files: Path, arguments: tuple[str, ...], told: str) -> None:
    done = occasion("import", *(str(files / a) if a.endswith("csv") else a for a in arguments), home=files / "home")
    assert done.code == 2
    assert told in done.err
    assert "Traceback" not in done.err


def test_a_new_item_is_recommended_at_once(shop: Path, tmp_path: Path) -> None:
    path = tmp_path / "more.csv"
    path.write_text("id,title\nsled,A wooden sled for children in the snow\n", "utf-8")
    assert inside("import", str(path), home=shop).code == 0
    found = json.loads(inside("recommend", "--text", "sledding in the snow", "-k", "1", "--json", home=shop).out)
    assert found["items"][0]["item"] == "sled"


def begun(database: Path) -> bool:
    """Whether the first events are acknowledged."""
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return bool(connection.execute("SELECT EXISTS (SELECT 1 FROM event)").fetchone()[0])
    except sqlite3.OperationalError:
        return False


def test_an_interrupted_import_goes_on_where_it_was(tmp_path: Path) -> None:
    path, rows = tmp_path / "events.csv", 150_000
    with path.open("w", encoding="utf-8") as file:
        file.write("user,item,type,time\n")
        file.writelines(f"u{n % 999},i{n % 777},click,{1_700_000_000 + n}\n" for n in range(rows))
    command = [str(OCCASION), "import", str(path), "--home", str(tmp_path / "home"), "--json"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while running.poll() is None and not begun(tmp_path / "home" / "occasion.db"):
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=300)
    assert running.returncode in (0, 130), err
    assert "Traceback" not in err
    if running.returncode == 130:
        assert out == ""
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    summary = json.loads(done.stdout)
    assert summary["rows"] == rows
    assert summary["rejected"] == {}
    assert json.loads(occasion("info", "--json", home=tmp_path / "home").out)["counts"]["events"] == rows


def test_export_and_import_give_the_same(shop: Path, tmp_path: Path) -> None:
    done = occasion("export", str(tmp_path / "out"), "--json", home=shop)
    assert done.code == 0, done.err
    assert json.loads(done.out)["rows"]["items"] == len(GOODS)
    files = [str(path) for path in sorted((tmp_path / "out").iterdir())]
    assert occasion("import", *files, home=tmp_path / "home").code == 0
    counts = [json.loads(occasion("info", "--json", home=home).out)["counts"] for home in (shop, tmp_path / "home")]
    assert all(counts[0][name] == counts[1][name] for name in ("items", "users", "events", "slates"))
    refused = occasion("export", str(tmp_path / "out"), home=shop)
    assert refused.code == 2
    assert "--overwrite" in refused.err or "overwrite" in refused.err


def test_doctor(shop: Path) -> None:
    occasion("feedback", "tea", "--user", "ann", "--at", "2100-01-01", home=shop)
    found = {f["name"]: f for f in json.loads(occasion("doctor", "--json", home=shop).out)["findings"]}
    assert found["future-times"]["severity"] == "error"
    assert occasion("doctor", home=shop).code == 0
    strict = occasion("doctor", "--strict", home=shop)
    assert strict.code == 1
    assert "future" in strict.out


def test_doctor_of_nothing(tmp_path: Path) -> None:
    done = occasion("doctor", home=tmp_path / "new")
    assert done.code == 0
    assert "occasion import" in done.out
