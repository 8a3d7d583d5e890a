"""The `baggage` command: a group, with a function for each command in it.

Belongs here: options, help, and what ends a command. Does not: what is found in the bytes
(`decoded`), and how that is laid out (`text`).
"""

from __future__ import annotations

import json

import click

from baggage.boundary import Policy
from baggage.cli.decoded import decode_message
from baggage.cli.source import Refusal, given
from baggage.cli.text import lines

_BUDGET = Policy().budget


class _Refused(click.ClickException):
    """One line about bad input; the command ends with code 2."""

    exit_code = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Look at baggage as it travels.

    \b
    Example:
      baggage decode "$BAGGAGE"
      curl -sv http://127.0.0.1:8000/ 2>&1 | baggage decode -
    """  # noqa: D301 - click reads a backspace as "leave the next paragraph as it is"


@main.command()
@click.argument("source", metavar="HEADER|FILE|-")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, as in proto/vectors.")
@click.option(
    "--budget",
    type=click.IntRange(0),
    default=_BUDGET,
    show_default=True,
    help="What BAGGAGE_BUDGET is where the header was written: bytes that our member may take.",
)
def decode(source: str, as_json: bool, budget: int) -> None:
    """Show what a header says: roots, stamps, entries, sizes, and what is missing.

    Takes the value of a `baggage` header, or our member of it, or its value alone; a file that has
    one of these in it, or lines of headers, or the bytes of a message; or - for standard input.
    Where a file is called like that, it is the file. A stamp is written as in the paper on interval
    tree clocks: (id, event tree). A dot is (root, point, height).

    \b
    Example:
      baggage decode "userId=alice,causal=KgRzaG9w"
      baggage decode --json message.bin | jq .entries
    """  # noqa: D301 - click reads a backspace as "leave the next paragraph as it is"
    try:
        found = given(source)
        decoded = decode_message(found.blob)
    except Refusal as refusal:
        raise _Refused(str(refusal)) from refusal
    if as_json:
        said = {**found.to_json(budget), **decoded.to_json()}
        click.echo(json.dumps(said, indent=2))
    else:
        click.echo("\n".join(lines(found, decoded, budget)))
