"""The demo, the textbook's example, and the data that come with the package."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from occasion.data import Context
from occasion.demo.dataset import FOLDER, PERSON, tables
from occasion.demo.loading import load, load_textbook
from occasion.demo.scenes import SCENES, TEXTBOOK, Textbook
from occasion.errors import DataError
from occasion.recommender import Recommender
from occasion.settings import load_settings
from occasion.stores import open_store

COMMAND = Path(sys.executable).with_name("occasion")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONUTF8": "1"}
    return subprocess.run([str(COMMAND), "demo", *arguments], capture_output=True, text=True, env=env, timeout=600, check=False)


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = run("--json", "--quiet")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    found["processor"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return found


def test_data_are_small_and_whole() -> None:
    frames = {name: pl.read_parquet(path) for name, path in tables().items()}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1_500_000
    assert (FOLDER / "SOURCE.md").is_file()
    assert frames["users"].height >= 100
    assert frames["events"].height >= 30_000
    assert frames["events"]["item_id"].is_in(frames["items"]["item_id"].implode()).all()
    assert frames["events"]["user_id"].is_in(frames["users"]["user_id"].implode()).all()
    assert frames["items"]["title"].is_unique().all()
    assert frames["items"]["title"].str.contains(r"^[a-z][a-z' ,0-9-]*$").all()
    assert PERSON in frames["users"]["user_id"]


def test_it_takes_less_than_a_minute_of_a_processor(shown: dict[str, Any]) -> None:
    assert shown["processor"] < 60


def test_moments_differ_and_their_reasons_add_up(shown: dict[str, Any]) -> None:
    assert len(shown["moments"]) == len(SCENES)
    lists = [tuple(row["item"] for row in moment["items"]) for moment in shown["moments"]]
    assert len(set(lists)) == len(lists)
    for moment in shown["moments"]:
        for row in moment["items"]:
            assert sum(row["parts"].values()) == pytest.approx(row["score"], abs=1e-5)
            assert row["reason"]


@pytest.mark.parametrize(
    ("heading", "fitting"),
    [
        ("Friday evening", ("chips", "beer", "snack", "soft drink", "salsa", "dip")),
        ("Sunday morning", ("breakfast", "pancake", "coffee", "waffle", "milk")),
        ("A night in winter", ("cold", "cough", "sinus", "tea", "soup", "pain")),
        ("The same person, in Chinese", ("cake", "baking", "birthday", "frosting", "flour")),
        ("Nobody known, the same wish", ("cake", "baking", "birthday", "frosting", "flour")),
    ],
)
def test_what_is_shown_fits_the_moment(shown: dict[str, Any], heading: str, fitting: tuple[str, ...]) -> None:
    moment = next(m for m in shown["moments"] if m["heading"] == heading)
    titles = [row["title"] for row in moment["items"]]
    assert sum(any(word in title for word in fitting) for title in titles) >= 2, titles


def test_feedback_changes_the_very_next_answer(shown: dict[str, Any]) -> None:
    feedback = shown["feedback"]
    before = [row["item"] for row in feedback["before"]["items"]]
    after = [row["item"] for row in feedback["after"]["items"]]
    assert before != after
    assert feedback["disliked"] == before[0] != after[0]


@pytest.mark.parametrize("n", range(len(TEXTBOOK)))
def test_the_textbooks_example(shown: dict[str, Any], n: int) -> None:
    example = shown["textbook"][n]
    first, second = example["ranked"][:2]
    assert first["text"] == example["wanted"]
    assert first["score"] > 2 * second["score"]


@pytest.mark.parametrize("example", TEXTBOOK, ids=lambda e: e.language)
def test_the_textbooks_example_across_languages(example: Textbook, tmp_path: Path) -> None:
    # The sentence of the other language must find the same phone.
    other = next(t for t in TEXTBOOK if t.language != example.language)
    with Recommender(load_settings(home=tmp_path)) as recommender:
        load_textbook(recommender.store, example)
        slate = recommender.recommend(Context(text=other.sentence), 1, keep=False)
    assert example.items[int(slate.items[0])] == example.wanted


def test_a_home_with_other_data_is_left_alone(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'occasion.db'}")
    load_textbook(store, TEXTBOOK[0])
    with pytest.raises(DataError, match="other data"):
        load(store)
    assert store.counts()["events"] == 0
    store.close()


def test_loading_twice_changes_nothing(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'occasion.db'}")
    first = load(store)
    counts = store.counts()
    again = load(store)
    assert (first.rejections, again.rejections, again.new) == (0, 0, 0)
    assert store.counts() == counts
    store.close()


def test_the_tables_are_shown(tmp_path: Path) -> None:
    done = run("--home", str(tmp_path / "kept"))
    assert done.returncode == 0, done.stderr
    assert all(title in done.stdout for title in ("Data in", "What if", "Feedback", "textbook", "because", "moved"))
    assert (tmp_path / "kept" / "occasion.db").is_file()
