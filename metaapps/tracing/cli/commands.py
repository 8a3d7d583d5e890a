"""The `tracing` command: a group, with a module for each command in it.

Starting is quick: what takes long to import is imported by the command that needs it.
"""

from __future__ import annotations

import click

from metaapps.tracing.cli.collect import collect
from metaapps.tracing.cli.show import show
from metaapps.tracing.cli.view import view


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="baggage", prog_name="tracing")
def main() -> None:
    """Look at the traces of services: collect them, or read where they were written.

    Services that call baggage.instrument() send them where TRACING_URL says, or write them where
    TRACING_FILE says.

    \b
    Example:
      TRACING_FILE=trace.json python shop.py
      tracing show trace.json
      tracing view trace.json --open
      tracing collect -- python -m pytest
    """  # noqa: D301 - click reads a backspace as "leave the next paragraph as it is"


main.add_command(collect)
main.add_command(show)
main.add_command(view)
