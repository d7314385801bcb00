"""The commands about scenarios, as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

from cli_shop import occasion


def test_a_scenario_is_put_tried_undone(shop: Path, tmp_path: Path) -> None:
    draft = tmp_path / "draft.json"
    draft.write_text(json.dumps({"k": 1, "about": "one only"}))
    home = ("--home", str(shop))
    assert occasion("recommend", "--user", "u1", "--k", "3", *home).code == 0
    tried = json.loads(occasion("scenarios", "preview", "one", str(draft), "--json", *home).out)
    assert (tried["requests"], tried["shorter"]) == (1, 1)
    assert occasion("scenarios", "put", "one", str(draft), *home).code == 0
    assert len(json.loads(occasion("recommend", "--scenario", "one", "--no-keep", "--json", *home).out)["items"]) == 1
    assert json.loads(occasion("scenarios", "list", "--json", *home).out) == {"scenarios": {"one": {"k": 1, "about": "one only"}}}
    (change,) = json.loads(occasion("scenarios", "changes", "--json", *home).out)["changes"]
    assert occasion("scenarios", "undo", str(change["seq"]), *home).code == 0
    assert occasion("recommend", "--scenario", "one", *home).code == 3
    assert occasion("scenarios", "undo", str(change["seq"]), *home).code == 2
    bad = tmp_path / "bad.json"
    bad.write_text("{")
    assert "no JSON" in occasion("scenarios", "put", "one", str(bad), *home).err
    assert occasion("scenarios", "remove", "one", *home).code == 3
