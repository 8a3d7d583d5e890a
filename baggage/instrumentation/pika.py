"""pika: what is published on a channel, blocking or not, and what its consumers take.

Callbacks work in the context of their message; who pulls, by `basic_get` or `consume`, works in it
until the same queue is asked again. A message is known by its properties, which are what
`baggage.consuming` takes. What messages are is in `_pika_messages`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from pika import BasicProperties
from pika.adapters.blocking_connection import (
    BlockingChannel,
    BlockingConnection,
    _CallbackResult,
)
from pika.adapters.select_connection import IOLoop
from pika.adapters.utils.selector_ioloop_adapter import _AddressResolver
from pika.channel import Channel

from baggage.boundary import Boundary, Delivery, delivery_of, finish, remember, underway
from baggage.context import Branch, branch, enter, leave
from baggage.instrumentation._patching import Function, Switch, replace, wrap
from baggage.instrumentation._pika_faults import confirmed
from baggage.instrumentation._pika_messages import (
    CONSUMER,
    PRODUCER,
    Coming,
    Publishing,
    restore,
    unveil,
)
from baggage.instrumentation._pika_state import Noted, Source, State, Waiting, settle


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap channels, once."""
    messages = _Messages(boundary, switch)
    BasicProperties._baggage_delivery = Noted()
    replace(Channel, "basic_publish", messages.publishing)
    replace(BlockingChannel, "basic_publish", messages.publishing)
    replace(Channel, "basic_consume", messages.consuming)
    replace(BlockingChannel, "basic_consume", messages.consuming)
    replace(BlockingChannel, "_dispatch_events", messages.dispatching)
    replace(Channel, "basic_get", messages.getting_later)
    replace(Channel, "_on_return", messages.returning)
    replace(BlockingChannel, "basic_get", messages.getting)
    replace(BlockingChannel, "consume", messages.iterating)
    replace(BlockingChannel, "cancel", messages.cancelling)
    replace(BlockingConnection, "add_callback_threadsafe", messages.handing)
    replace(IOLoop, "add_callback_threadsafe", messages.handing)
    wrap(_AddressResolver, "start", switch, _resolving)
    for name in ("basic_ack", "basic_nack", "basic_reject", "basic_recover"):
        replace(Channel, name, partial(messages.settling, name))


def _resolving(original: Function, _: object, args: Any, kwargs: Any) -> Any:
    """Start the thread that looks up an address, which is nobody's branch."""
    return underway.run_inside("pika", original, *args, **kwargs)


def _inner(channel: Any) -> Any:
    """Return the channel that a blocking one is made of."""
    return channel._impl if isinstance(channel, BlockingChannel) else channel


def _is_inner(callback: Any) -> bool:
    """Say whether a channel's callback is that of a blocking one, which has its consumers' own."""
    return isinstance(getattr(callback, "__self__", None), BlockingChannel | _CallbackResult)


def _within(running: Branch, callback: Callable[[], object]) -> None:
    token = enter(running)
    try:
        callback()
    finally:
        leave(token)


def _wraps_ours(callback: Any) -> bool:
    """Say whether a callback is ours, or one around it, which OpenTelemetry's notes on it."""
    while callback is not None and type(callback) is not _Callback:
        # By `getattr` a mock would have one, which would have one, and so on.
        callback = getattr(callback, "__dict__", {}).get("_original_callback")
    return callback is not None


class _Messages:
    """The wrappers of all methods, by what they do."""

    def __init__(self, boundary: Boundary, switch: Switch) -> None:
        self._boundary, self._switch = boundary, switch
        self._waiting = Waiting()

    def publishing(self, original: Function) -> Function:
        boundary, switch = self._boundary, self._switch

        def basic_publish(
            self_: Any,
            exchange: str,
            routing_key: str,
            body: Any,
            properties: Any = None,
            mandatory: bool = False,
        ) -> Any:
            if not switch.on:
                return original(self_, exchange, routing_key, body, properties, mandatory)
            inner = _inner(self_)
            asked = Publishing(
                inner, exchange, routing_key, body, properties, mandatory, properties
            )
            asked.blocking = inner is not self_
            publication = boundary.publish(PRODUCER, asked)
            if publication is None:
                restore(properties)
                return original(self_, exchange, routing_key, body, properties, mandatory)

            def put() -> Any:
                token = underway.begin((branch(), "pika"))
                try:
                    return original(self_, exchange, routing_key, body, asked.properties, mandatory)
                finally:
                    underway.end(token)

            self._expect(properties)
            # A second confirmation would be taken for that of the next message.
            return publication.send(put, None if confirmed(asked) else put)

        return basic_publish

    def consuming(self, original: Function) -> Function:
        def basic_consume(
            self_: Any,
            queue: str,
            on_message_callback: Any,
            auto_ack: bool = False,
            *args: Any,
            **kwargs: Any,
        ) -> Any:
            blocking = isinstance(self_, BlockingChannel)
            if callable(on_message_callback) and (blocking or not _is_inner(on_message_callback)):
                on_message_callback = _Callback(self, on_message_callback, queue, bool(auto_ack))
            return original(self_, queue, on_message_callback, auto_ack, *args, **kwargs)

        return basic_consume

    def dispatching(self, original: Function) -> Function:
        """Wrap the callbacks of consumers that are there since before we were."""

        def dispatch(self_: Any) -> Any:
            for consumer in self_._consumer_infos.values():
                callback = consumer.on_message_callback
                if callback is not None and not _wraps_ours(callback):
                    wrapped = _Callback(self, callback, "", consumer.auto_ack)
                    consumer.on_message_callback = wrapped
            return original(self_)

        return dispatch

    def getting_later(self, original: Function) -> Function:
        def basic_get(self_: Any, queue: str, callback: Any, auto_ack: bool = False) -> Any:
            if callable(callback) and not _is_inner(callback):
                callback = _Callback(self, callback, queue, bool(auto_ack))
            return original(self_, queue, callback, auto_ack)

        return basic_get

    def getting(self, original: Function) -> Function:
        switch = self._switch

        def basic_get(self_: Any, queue: str, auto_ack: bool = False) -> Any:
            if not switch.on:
                return original(self_, queue, auto_ack)
            source = State.of(self_).source(queue)
            finish(source)
            return self._pulled(self_, original(self_, queue, auto_ack), queue, source, auto_ack)

        return basic_get

    def iterating(self, original: Function) -> Function:
        switch = self._switch

        def consume(
            self_: Any, queue: str, auto_ack: bool = False, *args: Any, **kwargs: Any
        ) -> Iterator[Any]:
            items = original(self_, queue, auto_ack, *args, **kwargs)
            state = State.of(self_)
            source = state.iterating = state.source(queue)
            try:
                while True:
                    finish(source)
                    try:
                        item = next(items)
                    except StopIteration:
                        return
                    if switch.on:
                        item = self._pulled(self_, item, queue, source, auto_ack)
                    yield item
            finally:
                items.close()

        return consume

    def cancelling(self, original: Function) -> Function:
        def cancel(self_: Any) -> Any:
            source = State.of(self_).iterating
            if source is not None:
                finish(source)
            return original(self_)

        return cancel

    def handing(self, original: Function) -> Function:
        """Let a connection's thread do in a branch what that asks it to do: publish, say."""
        switch = self._switch

        def add_callback_threadsafe(self_: Any, callback: Any) -> Any:
            running = branch()
            if switch.on and running is not None and callable(callback):
                callback = partial(_within, running, callback)
            return original(self_, callback)

        return add_callback_threadsafe

    def returning(self, original: Function) -> Function:
        """Show what comes back to its producer as it was published."""
        switch = self._switch

        def on_return(self_: Any, method_frame: Any, header_frame: Any, body: Any) -> Any:
            if switch.on:
                unveil(header_frame.properties)
            return original(self_, method_frame, header_frame, body)

        return on_return

    def settling(self, name: str, original: Function) -> Function:
        """Have flows hear of what is rejected."""

        def settling(self_: Any, *args: Any, **kwargs: Any) -> Any:
            settled = original(self_, *args, **kwargs)
            settle(self_, name, *args, **kwargs)
            return settled

        return settling

    def taken(
        self, channel: Any, message: tuple[Any, ...], queue: str, *, auto_ack: bool
    ) -> Delivery | None:
        """Return the delivery of a message that came; its headers are the application's then."""
        method, properties, body = message
        inner = _inner(channel)
        coming = Coming(inner, queue, method, unveil(properties), body)
        delivery = self._boundary.receive(CONSUMER, coming)
        if delivery is not None:
            remember(properties, delivery)
            if not auto_ack:
                State.of(inner).unsettled[method.delivery_tag] = delivery
        return delivery

    def work(
        self, delivery: Delivery, callback: Callable[..., Any], message: tuple[Any, ...]
    ) -> Any:
        """Call a callback in the context of its message."""
        waiting = self._waiter(delivery, message[2])
        with delivery.opened():
            if waiting is not None and delivery.branch is not None:
                waiting.join(delivery.branch)
            return callback(*message)

    @property
    def on(self) -> bool:
        """Whether the instrumentation is switched on."""
        return self._switch.on

    def _pulled(self, channel: Any, item: Any, queue: str, source: Source, auto_ack: bool) -> Any:
        if item[0] is None:
            return item
        delivery = self.taken(channel, item, queue, auto_ack=auto_ack)
        return item if delivery is None else delivery.take(item, source)

    def _waiter(self, delivery: Delivery, properties: Any) -> Branch | None:
        """Return who waits for this reply, perhaps in another thread; None if it's none."""
        name = properties.correlation_id
        if not name or properties.reply_to:
            return None
        waiting = self._waiting.get(name)
        if not delivery.akin(waiting):
            return None
        self._waiting.forget(name)
        return waiting

    def _expect(self, properties: Any) -> None:
        """Note who waits for the reply to a message."""
        if properties is None or not getattr(properties, "reply_to", None):
            return
        running, name = branch(), getattr(properties, "correlation_id", None)
        if running is not None and isinstance(name, str):
            self._waiting.expect(name, running)


class _Callback:
    """What is called with messages: a consumer's callback, and equal to that."""

    __slots__ = ("_auto_ack", "_callback", "_messages", "_queue")

    def __init__(
        self, messages: _Messages, callback: Callable[..., Any], queue: str, auto_ack: bool
    ) -> None:
        self._messages, self._callback = messages, callback
        self._queue, self._auto_ack = queue, auto_ack

    def __eq__(self, other: object) -> bool:
        return bool(self._callback == other)

    def __hash__(self) -> int:
        return hash(self._callback)

    def __call__(self, channel: Any, method: Any, properties: Any, body: Any) -> Any:
        messages, callback, message = (
            self._messages,
            self._callback,
            (channel, method, properties, body),
        )
        if not messages.on or delivery_of(properties) is not None:  # by another one around this
            return callback(*message)
        delivery = messages.taken(channel, message[1:], self._queue, auto_ack=self._auto_ack)
        if delivery is None:
            return callback(*message)
        if delivery.left and not isinstance(channel, BlockingChannel):
            # Whoever waits in the loop lets everybody wait.
            channel.connection._adapter_call_later(
                delivery.left, partial(self._late, delivery, message)
            )
            return None
        return messages.work(delivery, callback, message)

    def _late(self, delivery: Delivery, message: tuple[Any, ...]) -> None:
        if message[0].is_open:  # or else the broker delivers it again
            self._messages.work(delivery, self._callback, message)
