"""Commands about settings: init and config."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from occasion.cli.documented import Documented
from occasion.cli.invocation import common_options, current

if TYPE_CHECKING:
    from occasion.presets import Preset
    from occasion.settings import Settings

__all__ = ["config", "described", "init"]

SECRETS = ("OPENAI_API_KEY",)
"""Secrets are read from the environment alone and never shown."""


@click.command(cls=Documented, bare=("--home", "--preset"), short_help="Write an occasion.toml with every setting.")
@click.option("--force", is_flag=True, help="Replace an occasion.toml that is there.")
@click.option("--preset", metavar="NAME", help="Settings and scenarios of a domain: e-commerce, social, news, music or video.")
@common_options
def init(force: bool, preset: str | None) -> None:
    """Write an occasion.toml with every setting, its default and what it does, and make the home.

    With --preset the settings of a domain are written in, and its scenarios put into the store.

    Examples
    --------
      occasion init
      occasion init --home shop --preset e-commerce
    """
    from occasion.errors import SettingsError
    from occasion.presets import load_preset

    invocation = current()
    chosen = load_preset(preset) if preset else None
    path = Path("occasion.toml")
    if path.exists() and not force:
        raise SettingsError(f"{path.resolve()} exists. Cure: edit it, or --force replaces it.")
    # --home goes into the file, so that later commands find it without being told.
    settings = invocation.settings()
    try:
        path.write_text(_template(settings if invocation.home else None, chosen), "utf-8")
        settings.home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"{error.filename} cannot be written: {error.strerror}. Cure: another folder.") from None
    put = _put_scenarios(chosen) if chosen else []
    if invocation.json:
        invocation.emit({"settings": str(path.resolve()), "home": str(settings.home.resolve()), "scenarios": put})
        return
    click.echo(f"wrote {path}; the home is {settings.home}")
    if chosen:
        click.echo(f"{chosen.name}: {', '.join(chosen.settings)} are set; scenarios {', '.join(put)}")


def _put_scenarios(preset: Preset) -> list[str]:
    """Put a preset's scenarios into the store; those of the same name that are there stay."""
    from occasion.scenarios import Scenarios, parse_scenario

    invocation, put = current(), []
    with invocation.store() as store:
        registry = Scenarios(store, invocation.settings().home)
        for name, document in preset.scenarios.items():
            if name not in registry.all():
                registry.put(name, parse_scenario(document), actor="init")
                put.append(name)
    return put


def _descriptions() -> dict[str, str]:
    """Return each setting's description from the docstring of Settings, the one place where it is written."""
    from occasion.settings import Settings

    return described(Settings.__doc__ or "")


def described(docstring: str) -> dict[str, str]:
    """Return what a docstring says of each attribute. From Python 3.13 on docstrings come without their indentation."""
    import inspect
    import re

    out: dict[str, str] = {}
    names: list[str] = []
    for line in inspect.cleandoc(docstring).splitlines():
        head = re.fullmatch(r"(\w+(?:, \w+)*) : .*", line)
        if head:
            names = head[1].split(", ")
        elif names and line.startswith(" " * 4):
            for name in names:
                out[name] = f"{out.get(name, '')} {line.strip()}".strip().replace("``", "")
    return out


def _template(settings: Settings | None, preset: Preset | None) -> str:
    from occasion.settings import Settings

    told = _descriptions()
    lines = ["# Settings of Occasion. A line that is commented out shows the default.", ""]
    given = dict(preset.settings) if preset is not None else {}
    if preset is not None:
        lines[1:1] = [f"# Preset {preset.name}. {preset.about}"]
    for name, field in Settings.model_fields.items():
        default = given.get(name, field.default)
        if told.get(name):
            lines.append(f"# {told[name]}")
        if isinstance(default, bool):
            value = str(default).lower()
        else:
            value = str(default) if isinstance(default, (int, float)) else f'"{default}"'
        if settings is not None and name == "home":
            lines += [f"home = '{settings.home}'", ""]
        else:
            lines += [f"{'' if name in given else '# '}{name} = {value}", ""]
    return "\n".join(lines)


@click.command(cls=Documented, short_help="Show the settings and where each comes from.")
@common_options
def config() -> None:
    """Show the effective settings and where each comes from; secrets are never shown.

    Examples
    --------
      occasion config
      OCCASION_ENCODER=minilm occasion config --json
    """
    from occasion.settings import unknown_variables

    invocation = current()
    settings = invocation.settings()
    rows = [
        {"name": name, "value": _value(name, getattr(settings, name)), "source": _source(name, invocation.home)}
        for name in type(settings).model_fields
    ]
    rows += [_secret(name) for name in SECRETS]
    for name in unknown_variables():
        invocation.say(f"note: {name} is no setting and does nothing. Cure: {_near(name)}.")
    if invocation.json:
        invocation.emit({"settings": rows})
        return
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for name in ("name", "value", "source"):
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row.values()))
    invocation.console().print(table)


def _near(variable: str) -> str:
    """Return what a misspelt variable may have been meant to be."""
    import difflib

    from occasion.settings import Settings

    near = difflib.get_close_matches(variable, [f"OCCASION_{name.upper()}" for name in Settings.model_fields], 1)
    return f"{near[0]}" if near else "take it out of the environment"


def _value(name: str, value: Any) -> Any:
    from occasion.cli.parameters import without_password

    if isinstance(value, Path):
        return str(value)
    return without_password(value) if name.endswith("url") else value


def _source(name: str, home: Path | None) -> str:
    """Say which of argument, environment, file or default a setting comes from, in this order."""
    import os
    import tomllib

    if name == "home" and home is not None:
        return "--home"
    if f"OCCASION_{name.upper()}" in {key.upper() for key in os.environ}:
        return f"environment OCCASION_{name.upper()}"
    path = Path("occasion.toml")
    if path.is_file() and name in tomllib.loads(path.read_text("utf-8")):
        return "occasion.toml"
    return "default"


def _secret(name: str) -> dict[str, str]:
    import os

    return {"name": name, "value": "set, hidden" if os.environ.get(name) else "not set", "source": "environment"}
