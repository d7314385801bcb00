"""Presets: named settings and scenarios of a domain, one file each. To add one: write the file, add its line here.

They are starting points set by judgement, not measured; what suits a log is found out by `occasion evaluate` and `occasion fit`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from occasion.errors import SettingsError

__all__ = ["PRESETS", "Preset", "load_preset"]

PRESETS = {
    "e-commerce": "ecommerce.toml",
    "social": "social.toml",
    "news": "news.toml",
    "music": "music.toml",
    "video": "video.toml",
}
"""Name to file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A domain's starting point.

    Attributes
    ----------
    name, about : str
    settings : mapping of setting to value
        As in ``occasion.toml``.
    scenarios : mapping of name to document
        As `occasion.scenarios.parse_scenario` takes them.
    """

    name: str
    about: str
    settings: Mapping[str, Any]
    scenarios: Mapping[str, Mapping[str, Any]]


def load_preset(name: str) -> Preset:
    """Return a preset by name.

    Raises
    ------
    SettingsError
        Where there is none of this name.
    """
    if name not in PRESETS:
        raise SettingsError(f"there is no preset {name!r}. Cure: one of {', '.join(PRESETS)}.")
    text = files("occasion.presets").joinpath(PRESETS[name]).read_text("utf-8")
    document = tomllib.loads(text)
    return Preset(name=name, about=document["about"], settings=document["settings"], scenarios=document["scenarios"])
