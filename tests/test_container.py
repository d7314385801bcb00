"""The container's files fit the package: settings that exist, files that are there, enough time to stop."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from occasion.cli import cli
from occasion.service.workers import LAST_SECONDS
from occasion.settings import Settings

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
IGNORED = (ROOT / ".dockerignore").read_text("utf-8").split()


@pytest.fixture
def service():
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]["occasion"]


def test_variables_are_settings() -> None:
    names = re.findall(r"\bOCCASION_([A-Z_]+)=", DOCKERFILE)
    assert {name.lower() for name in names} == {"home", "host"}
    assert {name.lower() for name in names} <= set(Settings.model_fields)


def test_what_is_copied_is_there_and_sent_along() -> None:
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in IGNORED, source
    assert re.search(r"^USER (?!root)", DOCKERFILE, re.MULTILINE)


def test_health_and_command_are_those_of_the_service(service) -> None:
    assert f":{Settings.model_fields['port'].default}/v1/health/ready" in DOCKERFILE
    name, *options = service["command"]
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    command.make_context(name, options)


def test_there_is_time_to_stop(service) -> None:
    grace = float(service["stop_grace_period"].removesuffix("s"))
    assert grace > Settings.model_fields["drain_seconds"].default + LAST_SECONDS
    assert service["read_only"] is True
    assert "/tmp" in service["tmpfs"]
    assert service["ports"][0].startswith("127.0.0.1:"), "whoever opens it to others does so on purpose"
