"""redis: entries of streams carry what their producer knows, and are worked on in that context.

An XADD publishes, by whichever way a client sends it, once for all attempts of redis-py; its answer
is an id. XREAD, XREADGROUP, XCLAIM and XAUTOCLAIM bring entries, without the fields of ours: a loop
over them takes one after the other, and works on each in its context until the next step, or until
the stream is read again. XACK ends nothing: what is done after it still belongs to the entry.
XRANGE and XREVRANGE only look. Other commands, lists and pub/sub too, are none of our business.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import redis.asyncio
import redis.asyncio.client
import redis.client
import redis.cluster

from baggage.boundary import Boundary
from baggage.instrumentation._patching import Function, Switch, replace
from baggage.instrumentation._redis.adapters import PRODUCING, Addition
from baggage.instrumentation._redis.commands import ADDING, Arguments, is_stream, words
from baggage.instrumentation._redis.pipelines import Several
from baggage.instrumentation._redis.reading import Reader

_log = logging.getLogger("baggage.instrumentation")
Send = Callable[[Arguments], Any]
ASend = Callable[[Arguments], Awaitable[Any]]


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap clients and pipelines, with threads and with tasks, once."""
    streams = _Streams(boundary, switch)
    sync, tasks = redis.client, redis.asyncio.client
    replace(sync.Redis, "execute_command", streams.executing)
    replace(tasks.Redis, "execute_command", streams.aexecuting)
    replace(redis.cluster.RedisCluster, "execute_command", streams.executing)
    replace(redis.asyncio.RedisCluster, "execute_command", streams.aexecuting)
    # What a pipeline watches, it asks for at once.
    replace(sync.Pipeline, "immediate_execute_command", streams.executing)
    replace(tasks.Pipeline, "immediate_execute_command", streams.aexecuting)
    replace(sync.Pipeline, "execute", streams.flushing)
    replace(tasks.Pipeline, "execute", streams.aflushing)


class _Streams:
    """The wrappers."""

    def __init__(self, boundary: Boundary, switch: Switch) -> None:
        self._boundary, self._switch = boundary, switch
        self._reader = Reader(boundary)

    def executing(self, original: Function) -> Function:
        """Make what sends one command."""

        def execute_command(client: Any, *args: Any, **options: Any) -> Any:
            if not self._switch.on or not is_stream(args):
                return original(client, *args, **options)
            if words(args)[0] == ADDING:
                return self._add(client, args, lambda said: original(client, *said, **options))
            reading = self._reader.ask(client, args)
            answer = original(client, *args, **options)
            return answer if reading is None else reading.seen(answer)

        return execute_command

    def aexecuting(self, original: Function) -> Function:
        """Make what sends one command, in tasks."""

        async def execute_command(client: Any, *args: Any, **options: Any) -> Any:
            if not self._switch.on or not is_stream(args):
                return await original(client, *args, **options)
            if words(args)[0] == ADDING:
                return await self._aadd(
                    client, args, lambda said: original(client, *said, **options)
                )
            reading = self._reader.ask(client, args)
            answer = await original(client, *args, **options)
            if reading is None:
                return answer
            answer = reading.seen(answer)
            await _sleep(reading.left)  # A loop over entries can't.
            return answer

        return execute_command

    def flushing(self, original: Function) -> Function:
        """Make what sends the commands of a pipeline."""

        def execute(pipeline: Any, raise_on_error: bool = True) -> Any:
            several = self._several(pipeline)
            if several is None:
                return original(pipeline, raise_on_error)
            with several:
                try:
                    several.begin()
                    if several.delay:
                        time.sleep(several.delay)
                except BaseException:
                    pipeline.reset()
                    raise
                try:
                    came = original(pipeline, raise_on_error=False)
                except BaseException as error:
                    several.failed(error)
                    raise
                answers = several.answers(came, raising=raise_on_error)
            if several.repeats():
                try:
                    original(pipeline)
                except Exception as error:  # noqa: BLE001 - the application knows of one alone
                    several.not_repeated(error)
            return answers

        return execute

    def aflushing(self, original: Function) -> Function:
        """Make what sends the commands of a pipeline, in tasks."""

        async def execute(pipeline: Any, raise_on_error: bool = True) -> Any:
            several = self._several(pipeline)
            if several is None:
                return await original(pipeline, raise_on_error)
            with several:
                try:
                    several.begin()
                    await _sleep(several.delay)
                except BaseException:
                    await pipeline.reset()
                    raise
                try:
                    came = await original(pipeline, raise_on_error=False)
                except BaseException as error:
                    several.failed(error)
                    raise
                answers = several.answers(came, raising=raise_on_error)
            if several.repeats():
                try:
                    await original(pipeline)
                except Exception as error:  # noqa: BLE001 - the application knows of one alone
                    several.not_repeated(error)
            await _sleep(several.left)
            return answers

        return execute

    def _several(self, pipeline: Any) -> Several | None:
        """Return what a pipeline has for streams, None where there is nothing."""
        if not self._switch.on or not any(is_stream(args) for args, _ in pipeline.command_stack):
            return None
        return Several(self._boundary, self._reader, pipeline) or None

    def _add(self, client: Any, args: Arguments, send: Send) -> Any:
        addition = Addition.of(client, args)
        publication = None
        if addition is not None:
            publication = self._boundary.publish(PRODUCING, addition)
        if addition is None or publication is None:
            return send(args)
        return publication.send(
            lambda: send(addition.with_headers()), lambda: send(addition.with_headers())
        )

    async def _aadd(self, client: Any, args: Arguments, send: ASend) -> Any:
        addition = Addition.of(client, args)
        publication = None
        if addition is not None:
            publication = self._boundary.publish(PRODUCING, addition)
        if addition is None or publication is None:
            return await send(args)
        twice: list[bool] = []
        added = await publication.asend(
            lambda: send(addition.with_headers()), lambda: twice.append(True)
        )
        if twice:
            try:
                await send(addition.with_headers())
            except Exception as error:  # noqa: BLE001 - the application knows of one entry alone
                _log.warning("message not repeated", extra={"reason": repr(error)})
        return added


async def _sleep(seconds: float) -> None:
    if seconds:
        await asyncio.sleep(seconds)
