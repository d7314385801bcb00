"""Pictures on the command line: import with a column of paths, index, similar, doctor."""

import json

import pytest
from cli_shop import inside, occasion

pytest.importorskip("PIL", reason="needs the extra images")
pytest.importorskip("onnx", reason="needs the extra tune")

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "pictures"))
from picture_world import COLOURS, as_bytes, drawn, tiny_model


@pytest.fixture
def home(tmp_path, monkeypatch):
    model = tiny_model(tmp_path / "models" / "quarters")
    monkeypatch.setenv("OCCASION_IMAGE_ENCODER", f"onnx:{model}")
    media = tmp_path / "home" / "media"
    media.mkdir(parents=True)
    rows = ["id,title,image"]
    for n in range(3):
        for name, colour in COLOURS.items():
            (media / f"{name}{n}.png").write_bytes(as_bytes(drawn(colour, n)))
            rows.append(f"{name}{n},Thing number {len(rows)},{name}{n}.png")
    (media / "broken.png").write_bytes(b"no picture")
    rows += ["b,A broken thing,broken.png", "m,A missing thing,none.png", "a,A thing elsewhere,https://example.org/a.png"]
    (tmp_path / "items.csv").write_text("\n".join(rows))
    assert inside("import", str(tmp_path / "items.csv"), home=tmp_path / "home").code == 0
    return tmp_path / "home"


def test_from_a_file_to_neighbours(home):
    told = json.loads(occasion("index", "--json", home=home).out)["pictures"]
    assert told["items"] == 12
    assert told["trouble"] == {"broken": 1, "missing": 1, "address": 1}
    done = inside("index", home=home)
    assert "12 items with a picture" in done.out
    assert "1 broken" in done.out
    slate = json.loads(inside("similar", "red0", "--k", "2", "--json", home=home).out)
    assert {entry["item"] for entry in slate["items"]} == {"red1", "red2"}
    assert all(entry["parts"]["looks"] > 0 for entry in slate["items"])
    assert "looks" in inside("similar", "red0", "--explain", home=home).out
    assert inside("similar", "b", home=home).code == 0


def test_doctor_names_pictures_that_cannot_be_read(home):
    inside("index", home=home)
    found = {f["name"]: f for f in json.loads(inside("doctor", "--json", home=home).out)["findings"]}
    for kind, item in (("broken", "b"), ("missing", "m"), ("address", "a")):
        assert found[f"pictures-{kind}"]["count"] == 1
        assert found[f"pictures-{kind}"]["examples"][0].startswith(f"{item} (")
    assert "1 of 15 pictures" in found["pictures-broken"]["message"]


def test_a_file_put_there_later_is_seen_by_index(home):
    inside("index", home=home)
    (home / "media" / "none.png").write_bytes(as_bytes(drawn(COLOURS["red"], 5)))
    assert json.loads(inside("index", "--json", home=home).out)["pictures"]["items"] == 13


def test_without_the_setting_nothing_is_told(home, monkeypatch):
    monkeypatch.delenv("OCCASION_IMAGE_ENCODER")
    assert "pictures" not in json.loads(inside("index", "--json", home=home).out)
    names = {f["name"] for f in json.loads(inside("doctor", "--json", home=home).out)["findings"]}
    assert not any(name.startswith("pictures") for name in names)
    slate = json.loads(inside("similar", "red0", "--json", home=home).out)
    assert all("looks" not in entry["parts"] for entry in slate["items"])


def test_an_encoder_that_is_none(home, monkeypatch):
    monkeypatch.setenv("OCCASION_IMAGE_ENCODER", "clip")
    done = inside("index", home=home)
    assert done.code == 5
    assert "efficientnet-lite0" in done.err
