"""The documentation names everything public, and its links lead somewhere. (Its code blocks are tests of their own.)"""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path

import pytest

import occasion
from occasion.cli import COMMANDS, cli
from occasion.data import EVENT_TYPES
from occasion.settings import Settings

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "README.zh-CN.md", *(ROOT / "docs").rglob("*.md")])


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_reference_has_every_command_and_option(name: str) -> None:
    text = page("reference/cli.md")
    assert f"\n### {name}\n" in text
    import click

    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    options = {o for p in command.params if isinstance(p, click.Option) for o in p.opts if o.startswith("--")}
    assert sorted(o for o in options if f"`{o}" not in text and f"{o} " not in text) == []


def test_the_reference_has_every_setting_with_its_default() -> None:
    text = page("reference/settings.md")
    for name, field in Settings.model_fields.items():
        row = re.search(rf"^\| `{name}` \| (.*?) \|", text, re.MULTILINE)
        assert row, name
        shown = row[1].strip("`").replace("empty", "")
        assert shown == str(field.default).removesuffix(".0"), name


def test_the_reference_has_every_event_type_with_its_weight() -> None:
    text = page("reference/events.md")
    for name, kind in EVENT_TYPES.items():
        assert re.search(rf"\| {name} \| {kind.weight:g}[ |]", text), name


def test_the_reference_has_every_public_name() -> None:
    text = page("reference/api.md") + page("reference/data-model.md") + page("reference/settings.md")
    missing = [name for name in occasion.__all__ if not name.startswith("_") and f"{name}\n" not in text and f"{name}(" not in text]
    # OccasionError is a member of the errors module, Settings has a page of its own.
    assert [name for name in missing if name not in ("OccasionError", "Settings")] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if not target.startswith(("http://", "https://")):
            assert (path.parent / target).exists() or target.endswith("docs/benchmarks.md"), f"{path.name}: {target}"


def test_the_layers_in_the_architecture_are_those_that_are_checked() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    parts = [re.findall(r"[a-z]+", layer) for layer in layers]
    there = [
        [p for p in layer if (ROOT / f"src/occasion/{p}.py").exists() or (ROOT / f"src/occasion/{p}").is_dir()] for layer in parts
    ]
    shown = re.search(r"```text\n((?:[a-z| ]+\n)*cli\n.*?)```", page("architecture.md"), re.DOTALL)
    assert shown
    assert [layer.split(" | ") for layer in shown[1].split("\n") if layer] == [layer for layer in there if layer]


def test_both_readmes_say_the_same_in_code() -> None:
    def blocks(name: str) -> list[str]:
        text = (ROOT / name).read_text("utf-8")
        # Remarks are translated, the rest is the same.
        return [re.sub(r"\s*#.*", "", block) for block in re.findall(r"```(?:python|bash)\n(.*?)```", text, re.DOTALL)]

    assert blocks("README.md") == blocks("README.zh-CN.md")


FILES = {"db", "toml", "service", "example", "localhost"}
"""What stands behind ``occasion.`` in names of files, loggers and hosts."""


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_what_pages_name_of_the_package_is_there(path: Path) -> None:
    named = set(re.findall(r"(?<![\w/.@-])occasion((?:\.[A-Za-z_]\w*)+)", path.read_text("utf-8")))
    missing = []
    for dotted in sorted(named):
        found: object = occasion
        way = "occasion"
        for part in dotted[1:].split("."):
            way += f".{part}"
            if not hasattr(found, part):
                try:
                    importlib.import_module(way)
                except ModuleNotFoundError:
                    missing.append(way)
                    break
            found = getattr(found, part)
    assert [name for name in missing if name.split(".")[1] not in FILES] == []


def test_the_packages_in_the_architecture_are_there() -> None:
    rows = re.findall(r"^\| ((?:`[a-z]+`(?:, )?)+) \|", page("architecture.md"), re.MULTILINE)
    names = re.findall(r"`([a-z]+)`", " ".join(rows))
    assert len(names) > 15
    assert [n for n in names if not (ROOT / f"src/occasion/{n}.py").exists() and not (ROOT / f"src/occasion/{n}").is_dir()] == []
