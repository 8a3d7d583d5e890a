"""The options that say how to search: what to try, in which order, how far, and with how many."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, Final

import click

from metaapps.filibuster.coordinator import HOST

Command = Callable[..., Any]

_BY_PAYLOAD: Final = click.option(
    "--by-payload", is_flag=True, help="Tell calls apart by what they send, too."
)
_LATENCY: Final = click.option(
    "--latency",
    type=click.Choice(["simulated", "real"]),
    default="simulated",
    show_default=True,
    help="Reckon with delays, or wait for them.",
)
_OPTIONS: Final = (
    click.option(
        "--fault",
        multiple=True,
        metavar="WHERE: WHAT",
        help="Try this fault alone, as in 'bar→baz: status 503' (-> will do).",
    ),
    click.option(
        "--reduction",
        type=click.Choice(["none", "strict", "dynamic", "paper"]),
        default="dynamic",
        show_default=True,
        help="What need not be run since earlier executions predict it.",
    ),
    click.option("--disable-dynamic-reduction", is_flag=True, help="The same as --reduction none."),
    click.option(
        "--ignore-answers",
        multiple=True,
        metavar="PATTERN",
        help="Take answers of matching calls for equal, as in 'foo→clock GET /now'.",
    ),
    _BY_PAYLOAD,
    _LATENCY,
    click.option("--fail-fast", is_flag=True, help="Stop at the first failure."),
    click.option("--max-faults", type=click.IntRange(min=0), help="At most so many at once."),
    click.option(
        "--max-executions",
        type=click.IntRange(min=1),
        help="Run at most so many; 1,000 by default.",
    ),
    click.option(
        "--max-time",
        type=click.FloatRange(min=0),
        help="Stop after so many seconds; 600 by default.",
    ),
    click.option(
        "--minimal", is_flag=True, help="Leave out plans that contain one that failed before."
    ),
    click.option("--exhaustive", is_flag=True, help="Lift the bounds that hold by default."),
    click.option(
        "--order",
        type=click.Choice(["canonical", "random"]),
        default="canonical",
        show_default=True,
        help="Which plans come first.",
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="Of the random order."),
    click.option(
        "--workers", metavar="N|auto", default="1", show_default=True, help="So many at once."
    ),
    click.option(
        "--executor",
        metavar="SPEC",
        help="Where tests run: threads, processes, dask://host:port, or module:factory.",
    ),
    click.option(
        "--coordinator",
        metavar="HOST",
        default=HOST,
        show_default=True,
        help="Where services and workers on other machines reach this one.",
    ),
    click.option(
        "--serial", is_flag=True, help="One execution at a time: the services have state."
    ),
    click.option(
        "--reset", metavar="CMD", help="Run this before each execution; implies --serial."
    ),
    click.option(
        "--check-interference",
        type=click.IntRange(min=0),
        metavar="N",
        help="Run so many executions again, alone, and compare.",
    ),
    click.option("--resume", is_flag=True, help="Go on where the last run was cut off."),
    click.option(
        "--verbose", is_flag=True, help="Show the calls of all executions, not of the first 30."
    ),
)


def search_options(command: Command) -> Command:
    """Add the options to a command."""
    return reduce(lambda made, option: option(made), reversed(_OPTIONS), command)


def replay_options(command: Command) -> Command:
    """Add those that a replay needs as they were when its calls got their names."""
    return _BY_PAYLOAD(_LATENCY(command))
