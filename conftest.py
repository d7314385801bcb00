"""Code blocks of the documentation are tests: Python and shell blocks run in a folder of their own a document, in order."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser


def run_shell(example: Example) -> None:
    """Run a shell block as a newcomer would, with this environment's commands first; it must succeed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", str(example.parsed)],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"the block failed with {done.returncode}:\n{example.parsed}\n{done.stdout}\n{done.stderr}")


def enter(namespace: dict[str, object]) -> None:
    """Give the document a folder; nothing of the caller's settings reaches its blocks."""
    folder = tempfile.mkdtemp(prefix="occasion-docs-")
    for name in [n for n in os.environ if n.startswith(("OCCASION_", "OPENAI_"))]:
        del os.environ[name]
    namespace["_came_from"], namespace["_folder"] = os.getcwd(), folder
    os.chdir(folder)


def leave(namespace: dict[str, object]) -> None:
    """Close what the document left open, go back and remove its folder."""
    for value in list(namespace.values()):
        if hasattr(value, "close") and type(value).__module__.startswith("occasion"):
            with contextlib.suppress(Exception):
                value.close()
    os.chdir(str(namespace["_came_from"]))
    shutil.rmtree(str(namespace["_folder"]), ignore_errors=True)


# README.zh-CN.md has the same blocks as README.md; a test sees to that.
pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), CodeBlockParser(language="bash", evaluator=run_shell), SkipParser()],
    patterns=["README.md", "docs/*.md", "docs/**/*.md"],
    setup=enter,
    teardown=leave,
).pytest()
