"""Failures: each becomes one line on stderr and an exit code; a traceback appears only where it was asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from occasion.errors import OccasionError

__all__ = ["INTERRUPTED", "REJECTED", "UNFORESEEN", "guarded"]

UNFORESEEN, REJECTED, INTERRUPTED = 1, 6, 130


def guarded(command: click.Command, arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code.

    Parameters
    ----------
    command : click.Command
    arguments : sequence of str, optional
        Default: those of the process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = command.main(args=given, prog_name="occasion", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show(sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        return _reader_left()
    except (KeyboardInterrupt, click.Abort):
        _tell("interrupted. What was acknowledged is kept; run the same command again to go on.")
        return INTERRUPTED
    except Exception as error:
        if "--debug" in given:
            raise
        return _explained(error)


def _explained(error: Exception) -> int:
    """Print one line for an error and return its exit code."""
    if isinstance(error, OccasionError):
        _tell(f"error: {_one_line(error)}")
        return error.exit_code
    kind = type(error).__name__
    _tell(f"error: something unforeseen happened ({kind}: {_one_line(error)}). Cure: --debug shows where; please report it.")
    return UNFORESEEN


def _one_line(error: Exception) -> str:
    text = str(error.args[0]) if isinstance(error, LookupError) and error.args else str(error)
    return " ".join(text.split())


def _reader_left() -> int:
    """Whoever read our output has seen enough: no failure of ours. Keeps the interpreter from flushing into the closed pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _tell(text: str) -> None:
    click.echo(text, err=True)
