"""feedback, index, info, config, init."""

from __future__ import annotations

import inspect
import json
import subprocess
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cli_shop import OCCASION, inside, occasion

from occasion.cli.settings import described
from occasion.settings import Settings
from occasion.stores import open_store


def events(home: Path) -> list[tuple[str | None, str, str]]:
    store = open_store(f"sqlite:///{home / 'occasion.db'}")
    found = [(e.user, e.item, e.type) for e in store.read_events()]
    store.close()
    return found


def test_a_dislike_changes_the_very_next_answer(shop: Path) -> None:
    def first() -> str:
        done = inside("recommend", "--user", "new", "--text", "something to travel with", "--json", "--no-keep", home=shop)
        return str(json.loads(done.out)["items"][0]["item"])

    before = first()
    assert inside("feedback", before, "--user", "new", "--type", "dislike", home=shop).code == 0
    assert first() != before


def test_the_same_event_twice_is_stored_once(shop: Path) -> None:
    command = ("feedback", "a/b 🙂", "--user", "x/1", "--type", "rating", "--value", "4.5", "--at", "2026-01-01T10:00", "--json")
    assert json.loads(occasion(*command, home=shop).out) == {"new": 1, "rejected": 0, "notes": []}
    assert json.loads(occasion(*command, home=shop).out) == {"new": 0, "rejected": 0, "notes": []}
    assert ("x/1", "a/b 🙂", "rating") in events(shop)


def test_a_rating_without_stars_is_refused(shop: Path) -> None:
    done = inside("feedback", "chips", "--user", "u1", "--type", "rating", home=shop)
    assert done.code == 2
    assert "--value" in done.err
    line = json.dumps({"item": "chips", "user": "u1", "type": "rating"})
    done = occasion("feedback", "--stdin", home=shop, stdin=line)
    assert done.code == 6
    assert "a rating needs a value" in done.err


def test_many_events_from_lines_keep_the_good_and_tell_of_the_bad(shop: Path) -> None:
    lines = [
        {"item": "chips", "user": "u1", "type": "view", "at": "2026-01-01T10:00:00+01:00", "signals": {"weather": "rain"}},
        "no json",
        {"item": "chips"},
        {"item": 3, "user": "u1"},
        {"item": "tea", "user": "u2", "colour": "red"},
        [1, 2],
        {"item": "tea", "user": "u2", "value": None, "id": "e1"},
    ]
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n\n"
    before = len(events(shop))
    done = occasion("feedback", "--stdin", "--json", home=shop, stdin=text)
    assert done.code == 6
    assert json.loads(done.out) == {"new": 2, "rejected": 5, "notes": []}
    assert [f"line {n} rejected" in done.err for n in range(1, 8)] == [False, True, True, True, True, True, False]
    assert "'colour'" in done.err
    assert len(events(shop)) == before + 2
    assert occasion("feedback", "--stdin", "--json", home=shop, stdin="").code == 0


def test_signals_that_cannot_be_are_told_and_their_events_stored(shop: Path) -> None:
    done = occasion("feedback", "chips", "--user", "u1", "--signal", "latitude=131.2", home=shop)
    assert (done.code, done.out) == (0, "1 new event stored\n")
    assert "note: Not usable, and passed over: latitude 131.2 (-90 to 90)." in done.err
    lines = [json.dumps({"item": "tea", "user": f"u{n}", "signals": {"hour": hour}}) for n, hour in enumerate((7, 25, 25))]
    done = occasion("feedback", "--stdin", "--json", home=shop, stdin="\n".join(lines))
    told = {"new": 3, "rejected": 0, "notes": ["Not usable, and passed over, in 2 of 3 events: hour 25 (0 to 23)."]}
    assert (done.code, json.loads(done.out)) == (0, told)


def test_lines_that_are_no_text_are_rejected_alone(shop: Path) -> None:
    lines = (
        b'{"item": "tea", "user": "u1", "id": "one"}\n\xff\xfe\n'
        + b"[" * 100_000
        + b'\n{"item": "tea", "user": "u1", "id": "two"}\n'
    )
    command = [str(OCCASION), "feedback", "--stdin", "--json", "--home", str(shop)]
    done = subprocess.run(command, input=lines, capture_output=True, check=False)
    assert done.returncode == 6
    assert json.loads(done.stdout) == {"new": 2, "rejected": 2, "notes": []}
    assert b"Traceback" not in done.stderr


def test_an_item_not_yet_described_is_kept_and_told(shop: Path) -> None:
    done = occasion("feedback", "brand-new", "--session", "s1", home=shop)
    assert done.code == 0
    assert "'brand-new'" in done.err
    assert (None, "brand-new", "click") in events(shop)


def test_wrong_events_are_refused(ready: Path) -> None:
    before = events(ready)
    for arguments, told in [
        ((), "ITEM"),
        (("tea", "--stdin"), "ITEM"),
        (("tea",), "user or a session"),
        (("tea", "--user", "u", "--value", "nan"), "nan"),
        (("tea", "--user", "u", "--at", "soon"), "'soon'"),
        (("", "--user", "u"), "item"),
        (("x" * 600, "--user", "u"), "512"),
    ]:
        done = occasion("feedback", *arguments, home=ready)
        assert done.code == 2, arguments
        assert told in done.err
    assert events(ready) == before


def test_three_processes_store_at_once(shop: Path) -> None:
    def one(person: int) -> int:
        lines = "".join(json.dumps({"item": "tea", "user": f"u{person}", "id": f"{person}-{n}"}) + "\n" for n in range(300))
        done = occasion("feedback", "--stdin", "--json", home=shop, stdin=lines)
        assert done.code == 0, done.err
        return int(json.loads(done.out)["new"])

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(one, range(3))) == [300, 300, 300]
    assert sum(item == "tea" for _, item, _ in events(shop)) == 900


def test_index_says_what_is_ready_and_can_start_anew(shop: Path) -> None:
    first = json.loads(occasion("index", "--json", home=shop).out)
    again = json.loads(occasion("index", "--force", "--json", home=shop).out)
    assert first["items"] == again["items"] == 10
    assert first["events"] == 7
    assert first["dim"] == again["dim"] > 0


def test_damaged_derived_files_are_rebuilt(shop: Path) -> None:
    for path in (shop / "derived").rglob("*"):
        if path.is_file():
            path.write_bytes(b"damaged" * 10)
    done = occasion("index", "--force", "--json", home=shop)
    assert done.code == 0, done.err
    assert json.loads(done.out)["items"] == 10


def test_info(ready: Path) -> None:
    found = json.loads(occasion("info", "--json", home=ready).out)
    assert found["counts"]["items"] == 10
    assert found["home"] == str(ready.resolve())
    assert found["in_service"] == "blend"
    assert "in service" in occasion("info", home=ready).out


def test_info_tells_how_to_begin(tmp_path: Path) -> None:
    done = occasion("info", home=tmp_path / "new")
    assert done.code == 0
    assert "occasion import" in done.err


def test_config_tells_where_settings_come_from_and_hides_secrets(tmp_path: Path) -> None:
    env = {"OCCASION_CANDIDATES": "50", "OPENAI_API_KEY": "sk-very-secret", "OCCASION_STORE_URL": "sqlite://me:hush@host/x"}
    done = occasion("config", "--json", home=tmp_path, env=env)
    rows = {row["name"]: row for row in json.loads(done.out)["settings"]}
    assert set(Settings.model_fields) <= set(rows)
    assert rows["candidates"] == {"name": "candidates", "value": 50, "source": "environment OCCASION_CANDIDATES"}
    assert rows["home"]["source"] == "--home"
    assert rows["diversity"]["source"] == "default"
    assert rows["OPENAI_API_KEY"]["value"] == "set, hidden"
    assert "secret" not in done.out
    assert "hush" not in done.out


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:hush@host/x", "https://me:***@host/x"),
        ("https://hush@host/x?a=1", "https://***@host/x?a=1"),
        ("https://host/x?latitude=1&apikey=hush&b=2", "https://host/x?latitude=1&apikey=***&b=2"),
        ("https://host/x?access_token=hush#f", "https://host/x?access_token=***#f"),
        ("https://host/x?APPID=hush", "https://host/x?APPID=***"),
        ("https://host:8000/a@b?k=1", "https://host:8000/a@b?k=1"),
    ],
)
def test_config_hides_secrets_within_addresses_from_file_and_environment(tmp_path: Path, url: str, shown: str) -> None:
    done = occasion("config", "--json", home=tmp_path, env={"OCCASION_WEATHER_URL": url})
    assert {row["name"]: row for row in json.loads(done.out)["settings"]}["weather_url"]["value"] == shown
    (tmp_path / "occasion.toml").write_text(f"weather_url = '{url}'\n", "utf-8")
    here = subprocess.run([str(OCCASION), "config", "--json"], cwd=tmp_path, capture_output=True, text=True, check=True)
    row = {row["name"]: row for row in json.loads(here.stdout)["settings"]}["weather_url"]
    assert (row["value"], row["source"]) == (shown, "occasion.toml")


def test_config_tells_of_variables_that_do_nothing(tmp_path: Path) -> None:
    done = occasion("config", home=tmp_path, env={"OCCASION_RETENTION_DAY": "view=9"})
    assert "OCCASION_RETENTION_DAY is no setting" in done.err
    assert "OCCASION_RETENTION_DAYS" in done.err


def test_settings_are_described_with_and_without_the_indentation_of_their_docstring() -> None:
    plain = inspect.cleandoc(Settings.__doc__ or "")
    first, rest = plain.split("\n", 1)
    indented = f"{first}\n{textwrap.indent(rest, '    ')}\n    "
    assert indented != plain
    told = described(plain)
    assert described(indented) == told
    assert set(told) == set(Settings.model_fields)
    assert told["home"] == "Folder of everything: the store, caches, indexes, model versions, rejects."


def test_init_writes_settings_that_are_read(tmp_path: Path) -> None:
    def here(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(OCCASION), *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert here("init", "--home", "my shop").returncode == 0
    written = (tmp_path / "occasion.toml").read_text("utf-8")
    assert all(f"# {name} = " in written or f"{name} = " in written for name in Settings.model_fields)
    rows = {row["name"]: row for row in json.loads(here("config", "--json").stdout)["settings"]}
    assert (rows["home"]["value"], rows["home"]["source"]) == ("my shop", "occasion.toml")
    refused = here("init")
    assert refused.returncode == 2
    assert "--force" in refused.stderr
    uncommented = written.replace("# diversity = ", "diversity = ").replace("# encoder = ", "encoder = ")
    (tmp_path / "occasion.toml").write_text(uncommented, "utf-8")
    assert here("config").returncode == 0
    (tmp_path / "occasion.toml").write_text("colour = 'red'\n", "utf-8")
    wrong = here("config")
    assert wrong.returncode == 2
    assert "colour" in wrong.stderr
