"""The `baggage` command: a group, with a function for each command in it.

Belongs here: options, help, and what ends a command. Does not: what is found in the bytes
(`decoded`), how that is laid out (`text`, `health`), how a program is instrumented (`run`), and
what there is to say about a machine (`baggage.doctor`).
"""

from __future__ import annotations

import json
import sys

import click

from baggage.boundary import Policy
from baggage.boundary.settings import environment
from baggage.cli import run as running
from baggage.cli.decoded import decode_message
from baggage.cli.progress import Progress
from baggage.cli.source import Refusal, given
from baggage.cli.text import lines
from baggage.runtime.discovery import instrumentations
from baggage.runtime.runtime import UnknownLibrary, known_only
from baggage.runtime.settings import switched_off

_BUDGET = Policy().budget


class _Refused(click.ClickException):
    """One line about bad input; the command ends with code 2."""

    exit_code = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="baggage", prog_name="baggage")
def main() -> None:
    """Have programs carry baggage, and look at it as it travels.

    \b
    Example:
      baggage doctor
      baggage run -- python app.py
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


@main.command(context_settings={"allow_interspersed_args": False})
@click.option("--service", metavar="NAME", help="What the program is called, as BAGGAGE_SERVICE.")
@click.option(
    "--library",
    "libraries",
    metavar="NAME",
    multiple=True,
    help="Instrument this one, and no others that aren't named; may be given again.",
)
@click.option(
    "--exclude",
    metavar="NAME",
    multiple=True,
    help="Don't instrument this one; may be given again.",
)
@click.argument("command", metavar="COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
def run(
    service: str | None,
    libraries: tuple[str, ...],
    exclude: tuple[str, ...],
    command: tuple[str, ...],
) -> None:
    """Run a program that carries baggage, without a change of its code.

    Every Python that starts in it is instrumented as by baggage.instrument(): children too. The
    command takes this process's place, with its exit code and signals. A Python that can't be
    reached (by -I, -E or -S, or without baggage installed) runs as it would by itself, and one line
    on standard error says so. With BAGGAGE_DISABLED=1 nothing is done but to run the command.

    \b
    Example:
      baggage run -- python app.py
      baggage run --service shop -- gunicorn --workers 4 shop:app
      baggage run --library requests --library flask -- flask --app shop run
    """  # noqa: D301 - click reads a backspace as "leave the next paragraph as it is"
    told = environment()
    try:
        if not switched_off():
            told = running.activated(told, service, libraries, exclude)
            deaf = running.deaf(command, told)
            if deaf:
                click.echo(f"baggage: {deaf} can't be reached: runs uninstrumented", err=True)
        running.become(command, told)
    except running.Refusal as refusal:
        click.echo(f"baggage: {refusal}", err=True)
        sys.exit(refusal.code)


@main.command()
@click.argument("libraries", metavar="[LIBRARY]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--verbose", "-v", is_flag=True, help="Print what was raised in tests that failed.")
@click.option("--no-self-test", is_flag=True, help="Only look: cross no boundary.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=30.0,
    show_default=True,
    help="Seconds that each self-test may take.",
)
@click.option("--redis-url", default="", metavar="URL", help="A Redis to try, not one of our own.")
@click.option("--amqp-url", default="", metavar="URL", help="A RabbitMQ to try; there's no other.")
@click.option(
    "--kafka", default="", metavar="HOST:PORT", help="A Kafka to try, not librdkafka's mock."
)
def doctor(
    libraries: tuple[str, ...],
    as_json: bool,
    verbose: bool,
    no_self_test: bool,
    timeout: float,
    redis_url: str,
    amqp_url: str,
    kafka: str,
) -> None:
    """Say which libraries are found and supported, what is active, and whether it works.

    For each library that is found, or each one named, a real call, thread, task or message crosses
    its boundary on this machine, in a process of its own: what was packed before has to arrive
    there, and what is packed there to come home. A broker that is named gets one message, in a
    queue or stream that is removed again, or a topic that stays. Exit code 0: healthy; 1: something
    is lost, or a version is not supported, or a meta-application can't be had; 2: there is no such
    library.

    \b
    Example:
      baggage doctor
      baggage doctor --verbose requests flask
      baggage run -- baggage doctor --json | jq .healthy
    """  # noqa: D301 - click reads a backspace as "leave the next paragraph as it is"
    # Here: these take longer than the other commands.
    import baggage.doctor as examining
    from baggage.cli import health

    try:
        known_only(libraries, instrumentations())
    except UnknownLibrary as unknown:
        raise _Refused(str(unknown)) from unknown
    peers = examining.Peers(redis_url, amqp_url, kafka)
    said = Progress()
    report = examining.examine(libraries, peers, said, timeout, trying=not no_self_test)
    said.over()
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=2))
    else:
        click.echo("\n".join(health.lines(report, verbose=verbose)))
    sys.exit(0 if report.healthy else 1)
