"""aiokafka: records are published with what their producer knows, and consumed in that context.

A record is told by `send`, which `send_and_wait` calls: what it's sent again by is a part of that.
A consumer that asks for one record at a time, or iterates over itself, works on it until it asks
for the next one. Batches that are built by hand (`create_batch`) carry nothing.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    NodeNotReadyError,
    RequestTimedOutError,
)
from aiokafka.structs import ConsumerRecord, RecordMetadata, TopicPartition

from baggage.boundary import (
    Boundary,
    Call,
    CannotEnact,
    Delivery,
    Endpoint,
    Fault,
    FaultKind,
    Kind,
    Note,
    Tellers,
    finish,
    remember,
    underway,
)
from baggage.context import branch
from baggage.instrumentation._broker_adapter import BrokerAdapter
from baggage.instrumentation._http import digest
from baggage.instrumentation._looped import Looped
from baggage.instrumentation._patching import Function, Switch, Wrapper, replace, wrap
from baggage.wire import NAME, without_ours

Fetched = dict[TopicPartition, list[ConsumerRecord]]
Header = tuple[str, bytes | None]
Arguments = tuple[Any, ...]
Named = dict[str, Any]


@dataclass(slots=True)
class Sent:
    """One record on its way out: what `send` was called with. It's its own carrier."""

    producer: AIOKafkaProducer
    told: Named
    headers: list[Header]

    def get(self, name: str) -> str | None:
        """Return a header, several of one name joined."""
        return _said(self.headers, name)

    def set(self, name: str, value: str) -> None:
        """Replace a header."""
        self.headers = [pair for pair in self.headers if pair[0].lower() != name]
        self.headers.append((name, value.encode()))

    async def through(self, send: Callable[..., Any]) -> Any:
        """Send the record with the headers that it has by now."""
        try:
            return await send(**{**self.told, "headers": self.headers})
        except MessageSizeTooLargeError:
            pass  # It may be what goes along that is too much; the record itself must not suffer.
        return await send(**self.told)


@dataclass(slots=True)
class Came:
    """One record that came, and the consumer that it came to. It's its own carrier.

    Not the application's object, or else that would hold itself, by its delivery.
    """

    consumer: AIOKafkaConsumer
    topic: str
    partition: int
    offset: int
    value: Any
    headers: Sequence[Header]

    def get(self, name: str) -> str | None:
        """Return a header, several of one name joined."""
        return _said(self.headers, name)

    def set(self, name: str, value: str) -> None:
        """Set nothing: a record that came is sent no further."""


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap aiokafka, once."""

    def getting(original: Function) -> Function:
        async def getone(self: AIOKafkaConsumer, *partitions: Any) -> Any:
            finish(self)  # switched off meanwhile or not: what it worked on, it's done with
            record = await original(self, *partitions)
            delivery = _received(boundary, self, record) if switch.on else None
            return record if delivery is None else await delivery.atake(record, self)

        return getone

    def getting_many(original: Function) -> Function:
        async def getmany(self: AIOKafkaConsumer, *partitions: Any, **limits: Any) -> Any:
            finish(self)
            fetched = await original(self, *partitions, **limits)
            return await _read(boundary, self, fetched) if switch.on else fetched

        return getmany

    wrap(AIOKafkaProducer, "send", switch, _sending(boundary))
    for client in (AIOKafkaProducer, AIOKafkaConsumer):
        wrap(client, "start", switch, _serving_itself)
        wrap(client, "stop", switch, _serving_itself)
    replace(AIOKafkaConsumer, "getone", getting)
    replace(AIOKafkaConsumer, "getmany", getting_many)


def _sending(boundary: Boundary) -> Wrapper:
    repeating: set[asyncio.Future[Any]] = set()  # or else none but its loop, weakly, holds a task

    def again(repeated: Coroutine[Any, Any, Any]) -> None:
        """Send once more: nobody waits for that, and nobody is told what became of it."""
        task = asyncio.ensure_future(repeated)
        repeating.add(task)
        task.add_done_callback(repeating.discard)
        task.add_done_callback(_ignored)

    async def send(
        wrapped: Callable[..., Any], producer: Any, args: Arguments, kwargs: Named
    ) -> Any:
        told = _told(args, kwargs)
        if told is None:
            return await wrapped(*args, **kwargs)
        sent = Sent(producer, told, list(told.get("headers") or ()))
        publication = boundary.publish(_PRODUCING, sent)
        if publication is None:
            return await wrapped(*args, **kwargs)
        return await publication.asend(
            lambda: sent.through(wrapped), lambda: again(sent.through(wrapped))
        )

    return send


async def _serving_itself(
    wrapped: Callable[..., Any], _: object, args: Arguments, kwargs: Named
) -> Any:
    """Start and end the tasks that serve all callers, and so are no branches of one."""
    begun = underway.begin((branch(), _PRODUCING.library))
    try:
        return await wrapped(*args, **kwargs)
    finally:
        underway.end(begun)


def _told(args: Arguments, kwargs: Named) -> Named | None:
    """Return the arguments of `send` by name; None for a call that it will refuse."""
    told = dict(zip(_NAMES, args, strict=False))
    if len(args) > len(_NAMES) or not told.keys().isdisjoint(kwargs):
        return None
    told.update(kwargs)
    return told if "topic" in told and told.keys() <= _NAMED else None


_NAMES: Final = tuple(inspect.signature(AIOKafkaProducer.send).parameters)[1:]
_NAMED: Final = frozenset(_NAMES)


def _received(
    boundary: Boundary, consumer: AIOKafkaConsumer, record: ConsumerRecord
) -> Delivery | None:
    """Return the delivery of a record that came; its headers are the application's then."""
    headers = record.headers
    came = Came(consumer, record.topic, record.partition, record.offset, record.value, headers)
    delivery = boundary.receive(_CONSUMING, came)
    if headers:
        record.headers = tuple(filter(None, map(_theirs, headers)))
    if delivery is not None:
        remember(record, delivery)
    return delivery


async def _read(
    boundary: Boundary, consumer: AIOKafkaConsumer, fetched: Fetched
) -> dict[TopicPartition, list[ConsumerRecord]]:
    """Return records that were read at once, when the last late one is due."""
    late = 0.0
    for records in fetched.values():
        for record in records:
            delivery = _received(boundary, consumer, record)
            late = max(late, delivery.left if delivery is not None else 0.0)
    if late:
        await asyncio.sleep(late)
    return {partition: Looped(records, consumer) for partition, records in fetched.items()}


def _theirs(header: Header) -> Header | None:
    """Return what the application sees of a header; None for one of ours."""
    name, value = header
    if name == Note.HEADER:
        return None
    if name != NAME or value is None:
        return header
    said = value.decode("latin-1")
    left = without_ours(said)
    if left == said:
        return header
    return (name, left.encode("latin-1")) if left else None


def _ignored(repeated: asyncio.Future[Any]) -> None:
    if not repeated.cancelled() and repeated.exception() is None:
        acknowledged = repeated.result()
        if isinstance(acknowledged, asyncio.Future):
            acknowledged.add_done_callback(lambda done: done.cancelled() or done.exception())


def _said(headers: Iterable[Header], name: str) -> str | None:
    """Return a header, several of one name joined."""
    said = ""
    for key, value in headers:
        if value is not None and key.lower() == name:
            text = value.decode("latin-1")
            said = f"{said},{text}" if said else text
    return said or None


def _endpoint(client: Any) -> Endpoint | None:
    """Return a broker's address: the first one known of the cluster."""
    servers = getattr(client, "_bootstrap_servers", "")
    return _address(servers if isinstance(servers, str) else next(iter(servers), ""))


@lru_cache(maxsize=64)
def _address(servers: str) -> Endpoint | None:
    host, _, port = servers.partition(",")[0].rpartition(":")
    return Endpoint(host.strip("[]"), int(port)) if host and port.isdigit() else None


def _digest(value: object) -> bytes | None:
    return digest(value) if isinstance(value, bytes) else None


def _arrived(came: Came) -> dict[str, str]:
    return {name.lower(): value.decode("latin-1") for name, value in came.headers if value}


def _where(came: Came) -> Named:
    group = came.consumer._group_id
    where = {"partition": came.partition, "offset": came.offset}
    return where | {"group": group} if group else where


_SENDING: Final[Tellers] = {
    "method": lambda _: "send",
    "arguments": lambda sent: {
        name: sent.told[name] for name in ("key", "partition") if name in sent.told
    },
    "endpoint": lambda sent: _endpoint(sent.producer.client),
    "payload": lambda sent: _digest(sent.told.get("value")),
}
_COMING: Final[Tellers] = {
    "method": lambda _: "consume",
    "arguments": _where,
    "endpoint": lambda came: _endpoint(came.consumer._client),
    "payload": lambda came: _digest(came.value),
    "arrived": _arrived,
}


class _Producing(BrokerAdapter):
    def describe(self, request: Sent) -> Call:
        topic = str(request.told["topic"])
        return Call.told(self.kind, self.library, topic, request, _SENDING)

    def enact(self, fault: Fault, request: Sent, response: object = None) -> Any:
        """Return the future that `send` returns: what became of a record is known from that."""
        future = asyncio.get_running_loop().create_future()
        failed = _FAILURES.get(fault.kind)
        if fault.kind is FaultKind.RAISE and fault.name is not None:
            failed = _errors().get(fault.name.rpartition(".")[2])
        if failed is not None:
            future.set_exception(failed())
        elif fault.kind is FaultKind.DROP:
            future.set_result(_unacknowledged(request.told))
        else:
            raise CannotEnact(f"aiokafka knows no fault {fault}")
        return future


class _Consuming(BrokerAdapter):
    def describe(self, request: Came) -> Call:
        return Call.told(self.kind, self.library, request.topic, request, _COMING)


def _unready() -> KafkaError:
    return NodeNotReadyError("Attempt to send a request to node which is not ready (node id 1).")


_FAILURES: Final[dict[FaultKind, Callable[[], BaseException]]] = {
    FaultKind.REFUSED: _unready,
    FaultKind.RESET: _unready,  # what is sent again until time is up ends like this, too
    FaultKind.TIMEOUT: RequestTimedOutError,
}


def _errors() -> dict[str, type[KafkaError]]:
    from aiokafka import errors

    found = {name: getattr(errors, name) for name in dir(errors)}
    return {
        name: kind
        for name, kind in found.items()
        if isinstance(kind, type) and issubclass(kind, KafkaError)
    }


def _unacknowledged(told: Named) -> RecordMetadata:
    """Return what a producer is told that asks for no acknowledgement."""
    topic, partition = told["topic"], told.get("partition") or 0
    where = TopicPartition(topic, partition)
    return RecordMetadata(topic, partition, where, -1, -1, None, None)


_PRODUCING: Final = _Producing(Kind.PRODUCER, "aiokafka", frozenset({"aiokafka"}))
_CONSUMING: Final = _Consuming(Kind.CONSUMER, "aiokafka", frozenset({"aiokafka"}))
