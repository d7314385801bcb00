"""The command of the console."""

from __future__ import annotations

import click

from occasion.cli.documented import Documented
from occasion.cli.invocation import common_options, current

__all__ = ["console"]

PORT = 8001


@click.command(cls=Documented, bare=("--port",), short_help="Open the web console of one home.")
@click.option("--port", type=click.IntRange(0, 65_535), default=PORT, show_default=True, help="Port; 0 takes a free one.")
@click.option("--open", "show", is_flag=True, help="Show it in the browser of this machine.")
@common_options
def console(port: int, show: bool) -> None:
    """Serve the web console of one home to this machine, until stopped.

    Try moments and see why, look at people, data, quality and rules. `occasion serve` has the same console at /console; this one is
    for a home that nothing serves, or beside several workers. Where keys exist, it asks for one.

    Examples
    --------
      occasion console
      occasion console --home groceries --port 0 --open
    """
    from importlib.util import find_spec

    from occasion.errors import MissingExtraError
    from occasion.service.beside import NEEDS
    from occasion.service.running import run

    if find_spec(NEEDS) is None:
        raise MissingExtraError("the console", "console")
    invocation = current()
    settings = invocation.settings(host="127.0.0.1", port=port, workers=1, console=True)

    def started(address: str) -> None:
        invocation.say(f"console {address}/console")
        if show:
            import webbrowser

            webbrowser.open(f"{address}/console")

    run(settings, started=started)
