"""tune and distill, run as a person runs them, on a tiny model."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from cli_shop import inside, occasion

pytest.importorskip("sentence_transformers", reason="needs the extra tune")
sys.path[:0] = [str(Path(__file__).parents[1] / name) for name in ("encoders", "tuning")]

import tiny_models  # noqa: E402
import tuning_worlds  # noqa: E402


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tuning") / "home"
    tuning_worlds.fill(folder).close()
    tiny_models.bert(folder.parent / "bert")
    return folder


@pytest.mark.extra
def test_tune_then_distill_then_serve(home: Path) -> None:
    base = ("--base", str(home.parent / "bert"), "--layers", "0", "--epochs", "1", "--max-tokens", "30", "--device", "cpu")
    tuned = occasion("tune", *base, home=home)
    assert (tuned.code, tuned.err) == (0, "")
    assert "ndcg@10 untuned" in tuned.out
    assert f"OCCASION_ENCODER='onnx:{home / 'encoders' / 'tuned'}' occasion index --reencode" in tuned.out
    small = occasion("distill", "--dim", "8", "--epochs", "2", "--json", home=home)
    assert (small.code, small.err) == (0, "")
    manifest = json.loads(small.out)
    assert manifest["dim"] == 8
    assert occasion("index", "--reencode", "--json", home=home, env={"OCCASION_ENCODER": manifest["spec"]}).code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("tune", "--budget", "soon"), 2, "--budget is 'soon'"),
        (("tune", "--budget", "-5m"), 2, "budget is -300"),
        (("distill", "--budget", "nan"), 2, "budget is nan"),
        (("tune", "--name", "../x"), 2, "../x"),
        (("distill", "--dim", "1"), 2, "dim is 1"),
        (("tune", "--processes", "0"), 2, "processes is 0. Cure: 1 to 1024"),
    ],
)
def test_wrong_options_are_one_error(home: Path, arguments: tuple[str, ...], code: int, told: str) -> None:
    done = inside(*arguments, home=home)
    assert (done.code, done.out) == (code, "")
    assert told in done.err


def test_nothing_to_learn_from(tmp_path: Path) -> None:
    done = inside("tune", home=tmp_path / "new")
    assert done.code == 2
    assert "import" in done.err
