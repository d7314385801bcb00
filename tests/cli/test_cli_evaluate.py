"""evaluate, run as a person runs it on the groceries of the demo."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_shop import inside, occasion

from occasion.demo.dataset import tables


@pytest.fixture(scope="module")
def groceries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("groceries")
    assert inside("import", *map(str, tables().values()), home=home).code == 0
    return home


def test_figures_intervals_and_files(groceries: Path, tmp_path: Path) -> None:
    options = ("evaluate", "--max-queries", "25", "--slice", "weekend", "--baseline", "popular", "--json")
    done = occasion(*options, "--out", str(tmp_path / "r.html"), "--out", str(tmp_path / "r.json"), home=groceries)
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert set(report["systems"]) == {"occasion", "popular"}
    ndcg = report["systems"]["occasion"]["ndcg"]
    assert 0 < ndcg["low"] <= ndcg["mean"] <= ndcg["high"] < 1
    assert json.loads((tmp_path / "r.json").read_text("utf-8"))["systems"] == report["systems"]
    assert (tmp_path / "r.html").read_text("utf-8").startswith("<!")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(("--share", "3"), "3.0"), (("--baseline", "best"), "'best'"), (("--out", "r.txt"), "r.txt"), (("-k", "0"), "0")],
)
def test_wrong_options_are_one_error(groceries: Path, arguments: tuple[str, ...], told: str) -> None:
    done = inside("evaluate", *arguments, home=groceries)
    assert (done.code, done.out) == (2, "")
    assert told in done.err


def test_nothing_to_evaluate(tmp_path: Path) -> None:
    done = inside("evaluate", home=tmp_path / "new")
    assert done.code == 2
    assert "import" in done.err


def test_off_policy_from_answers_and_feedback(groceries: Path, tmp_path: Path) -> None:
    nothing = inside("evaluate", "--off-policy", home=groceries)
    assert (nothing.code, nothing.out) == (2, "")
    assert "recommend" in nothing.err
    for n in range(6):
        answer = inside(
            "recommend", "--user", "7", "--policy", "plackett-luce", "--temperature", ".2", "--k", "3", "--json", home=groceries
        )
        slate = json.loads(answer.out)
        item = slate["items"][n % 3]["item"]
        done = inside("feedback", item, "--user", "7", "--slate", slate["slate"], home=groceries)
        assert done.code == 0, done.err
    out = tmp_path / "o.html"
    done = inside("evaluate", "--off-policy", "--policy", "greedy", "--places", "1", "--out", str(out), "--json", home=groceries)
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert report["estimates"]["logged"]["mean"] == pytest.approx(2 / 6)
    assert report["protocol"]["policy"] == "greedy"
    assert any("effective" in text for text in report["warnings"])
    assert "Off-policy" in out.read_text("utf-8")


@pytest.mark.parametrize(
    "arguments", [("--policy", "greedy"), ("--clip", "3"), ("--off-policy", "--out", "r.png"), ("--off-policy", "--places", "0")]
)
def test_options_that_do_not_go_together_are_said(groceries: Path, arguments: tuple[str, ...]) -> None:
    done = inside("evaluate", *arguments, home=groceries)
    assert done.code == 2
    assert "Cure" in done.err


def test_parts_and_curves_from_the_command_line(groceries: Path) -> None:
    done = inside(
        "evaluate", "--max-queries", "8", "--slice", "weekend", "--without", "context", "--curves", "--json", home=groceries
    )
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert set(report["parts"]) == {"context"}
    assert [curve["points"][0]["size"] for curve in report["curves"]] == [0, 0]
    wrong = inside("evaluate", "--without", "luck", home=groceries)
    assert wrong.code == 2
    assert "'luck'" in wrong.err
