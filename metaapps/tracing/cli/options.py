"""Options that commands share which read traces; what they do with a source is in `source`."""

from __future__ import annotations

import click

trace = click.option("--trace", metavar="ID", help="Show this trace alone.")
limit = click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Ask a server for so many traces, the latest.",
)
