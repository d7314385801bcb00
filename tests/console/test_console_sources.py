"""What is true of all files of the console: no text of somebody else's reaches the parser of properties, no link leads nowhere."""

from __future__ import annotations

import ast
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import occasion.console
from occasion.console.mounting import load_pages

FILES = sorted(Path(occasion.console.__file__).parent.rglob("*.py"))
KNOWN = {page.path for page in load_pages()} | {"/sign-in"}


def calls(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]


def written(node: ast.expr) -> bool:
    """Return whether a text stands in the source as it is."""
    if isinstance(node, ast.IfExp):
        return written(node.body) and written(node.orelse)
    if isinstance(node, ast.BinOp):
        return written(node.left) and written(node.right)
    if isinstance(node, ast.JoinedStr):
        return all(map(written, node.values))
    if isinstance(node, ast.FormattedValue):
        return written(node.value) or ast.unparse(node.value).startswith("len(")
    # Names in capital letters are constants.
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id.isupper())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_properties_in_short_form_are_written_out(path: Path) -> None:
    # A property whose name begins with a colon is run as a script: see occasion.console.parts.labels.
    for call in calls(path):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "props":
            assert all(map(written, call.args)), f"{path.name}:{call.lineno}"


def test_every_link_leads_to_a_page() -> None:
    found = set()
    for path in FILES:
        for call in calls(path):
            named = [keyword.value for keyword in call.keywords if keyword.arg == "to"]
            if isinstance(call.func, ast.Attribute) and ast.unparse(call.func).endswith("navigate.to"):
                named += call.args
            for target in named:
                first = target.values[0] if isinstance(target, ast.JoinedStr) else target
                if isinstance(first, ast.Constant):
                    found.add(urlsplit(str(first.value)).path)
    assert len(found) >= 4
    assert found <= KNOWN
