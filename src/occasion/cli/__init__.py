"""The command line. To add a command: write it in a file of this package, add its line here.

Exit codes: 0 done; 1 something unforeseen; 2 wrong usage, a value or a setting that cannot be used; 3 an id that is not
there; 4 the store; 5 encoder, model, index, or a missing extra; 6 rows were rejected, or a receipt does not hold; 130 interrupted.
"""

from __future__ import annotations

import signal
from importlib import import_module

import click

from occasion.cli.failures import guarded
from occasion.cli.invocation import common_options

__all__ = ["COMMANDS", "cli", "main"]

COMMANDS = {
    "demo": "occasion.cli.demonstration:demo",
    "init": "occasion.cli.settings:init",
    "import": "occasion.cli.transfer:import_command",
    "doctor": "occasion.cli.transfer:doctor",
    "index": "occasion.cli.upkeep:index",
    "recommend": "occasion.cli.answers:recommend",
    "rate": "occasion.cli.ratings:rate",
    "similar": "occasion.cli.answers:similar",
    "feedback": "occasion.cli.feedback:feedback",
    "serve": "occasion.service.commands:serve",
    "console": "occasion.console.commands:console",
    "keys": "occasion.service.commands:keys",
    "evaluate": "occasion.cli.evaluation:evaluate",
    "fit": "occasion.cli.learning:fit",
    "learn": "occasion.cli.loop:learn",
    "versions": "occasion.cli.learning:versions",
    "promote": "occasion.cli.learning:promote",
    "rollback": "occasion.cli.learning:rollback",
    "retire": "occasion.cli.learning:retire",
    "scenarios": "occasion.cli.scenarios:scenarios",
    "tune": "occasion.cli.tuning:tune",
    "distill": "occasion.cli.tuning:distill",
    "privacy": "occasion.service.people_commands:privacy",
    "export": "occasion.cli.transfer:export",
    "backup": "occasion.cli.backups:backup",
    "restore": "occasion.cli.backups:restore",
    "info": "occasion.cli.upkeep:info",
    "config": "occasion.cli.settings:config",
}
"""Name to where it lives, in the order of first use."""


class Commands(click.Group):
    """A group that imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, None where there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        found: click.Command = getattr(import_module(module), name)
        return found

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the commands that come near where there is none of the given name."""
        import difflib

        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            near = difflib.get_close_matches(args[0], COMMANDS, 2) or list(COMMANDS)
            ctx.fail(f"there is no command {args[0]!r}. Cure: {', '.join(near)}; `occasion --help` tells of each.")
        return super().resolve_command(ctx, args)


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"occasion {version('occasion')}")
        ctx.exit()


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Start with `occasion demo`, or with your own data: `occasion import items.csv events.csv`, "
    "then `occasion recommend --user 7`.",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version and exit.")
@common_options
def cli() -> None:
    """Recommend what fits the moment: context in, recommendations out, feedback back in.

    Everything lives in one folder, the home: --home, else the environment's OCCASION_HOME, else occasion.toml, else
    .occasion in the working folder. The options below may stand before or behind the command.

    Exit codes: 0 done; 1 something unforeseen; 2 wrong usage or a value that cannot be used; 3 an id that is not there;
    4 the store; 5 encoder, model, index or a missing extra; 6 rows were rejected, or a receipt does not hold;
    130 interrupted.
    """


def main() -> None:
    """Run the command line and exit."""
    code = guarded(cli)
    # All is done and said: an interrupt while the interpreter winds up must not turn a success into a death by signal.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise SystemExit(code)
