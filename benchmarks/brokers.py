"""`python -m benchmarks brokers`: what messages cost those who publish and consume them.

    python -m benchmarks brokers [benchmark …] [--blocks 48] [--write docs/performance.md]
    python -m benchmarks brokers pika-consume aiokafka-getone --blocks 24

Real brokers, which are started here: Redis, RabbitMQ, and librdkafka's cluster for tests. What
counts is CPU time of the process that publishes or consumes, its library and its sockets included;
not the broker's, nor of a consumer's messages what it took to publish them. What is done with each
library is in `messages`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks import measure, messages, tables
from benchmarks.measure import Pair, Run
from benchmarks.variants import BARE, PEER, around

Serving = Callable[[], AbstractContextManager[str]]

_UNSAMPLED: Final = f"{PEER}, no call sampled"
VARIANTS: Final = {
    BARE: "bare",
    "nothing registered": "nothing carried",
    "nothing registered, a value carried": "a value carried",
    "tracing, no call sampled": "tracing, unsampled",
    "tracing, every call sampled": "tracing, sampled",
    "filibuster idle, every call sampled": "…, and filibuster",
    _UNSAMPLED: f"{PEER}, unsampled",
    PEER: PEER,
}
"""Those of `around` that are measured, and what they are called in the table."""
_BESIDE: Final = {"tracing, no call sampled": _UNSAMPLED, BARE: "", _UNSAMPLED: "", PEER: ""}
"""Which peer what a variant adds is a share of, if that's not `PEER`; "" for none."""
_UNLIKE: Final = frozenset({"redis-read"})
"""Where the peer does another thing: it traces the command that reads, and no entry."""


@contextmanager
def _redis() -> Iterator[str]:
    from tests.brokers import REDIS
    from tests.shared_server import joined

    if shutil.which("redis-server") is None:
        sys.exit("no Redis: 'redis-server' is not installed")
    with TemporaryDirectory(ignore_cleanup_errors=True) as home, joined(REDIS, Path(home)) as at:
        yield at


@contextmanager
def _rabbitmq() -> Iterator[str]:
    from tests.brokers import RABBITMQ
    from tests.shared_server import joined

    if not os.access(RABBITMQ.command(Path())[-1], os.X_OK):
        sys.exit("no RabbitMQ: Debian's package 'rabbitmq-server' is not installed")
    with TemporaryDirectory(ignore_cleanup_errors=True) as home, joined(RABBITMQ, Path(home)) as at:
        yield at


def _kafka() -> AbstractContextManager[str]:
    from tests.kafka_cluster import cluster

    return cluster()


def _pair(
    name: str,
    make: Callable[[str], Run],
    library: str,
    instrumentor: str,
    serving: Serving,
    calls: int = 100,
) -> Pair:
    """Return what measures a benchmark, whose `make` is told where the broker is."""

    def variant(chosen: str) -> Callable[[str], Run]:
        return lambda at: around(partial(make, at), (library,), (instrumentor,))[chosen]()

    return Pair(name, {each: variant(each) for each in VARIANTS}, calls, serving)


_CELERY: Final = ("celery", "celery:CeleryInstrumentor", _redis)
_PIKA: Final = ("pika", "pika:PikaInstrumentor", _rabbitmq)
_REDIS: Final = ("redis", "redis:RedisInstrumentor", _redis)
_KAFKA: Final = ("aiokafka", "aiokafka:AIOKafkaInstrumentor", _kafka)
PAIRS: Final = (
    _pair("celery-send", messages.celery_send, *_CELERY),
    _pair("celery-run", messages.celery_run, *_CELERY),
    _pair("pika-publish", messages.pika_publish, *_PIKA),
    _pair("pika-consume", messages.pika_consume, *_PIKA),
    _pair("redis-add", messages.redis_add, *_REDIS),
    _pair("redis-read", messages.redis_read, *_REDIS),
    _pair("aiokafka-send", messages.aiokafka_send, *_KAFKA),
    _pair("aiokafka-getone", messages.aiokafka_getone, *_KAFKA),
    _pair("aiokafka-getmany", messages.aiokafka_getmany, *_KAFKA),
)


def main(arguments: Sequence[str]) -> None:
    pairs = {pair.name: pair for pair in PAIRS}
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks brokers",
        description="CPU time of a message's producer, and of its consumer, beside OpenTelemetry's",
        epilog="example: python -m benchmarks brokers pika-consume aiokafka-getone --blocks 24",
    )
    which = f"all by default: {', '.join(pairs)}"
    parser.add_argument(
        "benchmarks", nargs="*", metavar="benchmark", choices=[*pairs, []], help=which
    )
    parser.add_argument("--blocks", type=int, default=48, help="how many to measure of each")
    parser.add_argument("--processes", type=int, default=8, help="of each, one after the other")
    parser.add_argument("--write", type=Path, help="a document to put the table into")
    options = parser.parse_args(arguments)
    rows: dict[str, Mapping[str, float]] = {}
    for name in options.benchmarks or pairs:
        rows[name] = measure.compare(pairs[name], options.blocks, options.processes)
        print(measure.table(pairs[name], rows[name]), end="\n\n", flush=True)
    made = table(rows)
    print(made, end="")
    if options.write:
        document = options.write.read_text("utf-8")
        options.write.write_text(tables.put({"brokers": made}, document), "utf-8")


def table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """Return what is added to the CPU µs of a message, and that as a share of what a peer adds."""
    lines = []
    for name, found in rows.items():
        shares = name not in _UNLIKE
        lines.append([name, *(_cell(found, each, shares=shares) for each in VARIANTS)])
    return tables.markdown(["CPU µs of a message", *VARIANTS.values()], lines)


def _cell(found: Mapping[str, float], variant: str, *, shares: bool) -> str:
    if variant == BARE:
        return f"{found[BARE]:.1f}"
    added, peer = found[variant] - found[BARE], _BESIDE.get(variant, PEER)
    share = f" ({added / (found[peer] - found[BARE]):.0%})" if peer and shares else ""
    return f"{added:+.1f}{share}"
