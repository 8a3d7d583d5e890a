"""What is asked of calls that are gone, or that never were sent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest

from baggage.boundary import PROCEED, Call, Flow, Interest, Kind, Outcome, Policy, Raised
from baggage.runtime import Runtime, Settings


class Late:
    """A meta-application that asks for everything when all is over."""

    name = "late"

    def __init__(self) -> None:
        self.seen: list[tuple[Kind, str]] = []
        self.outcomes: list[Outcome] = []

    def interest(self, kind: Kind, library: str) -> Interest:
        return Interest.OBSERVE

    def around(self, call: Call) -> Flow:
        outcome: Outcome | None = None
        try:
            outcome = yield PROCEED
        finally:
            host = "" if call.endpoint is None else call.endpoint.host
            assert call.arrived.get("no-such-header") is None
            self.seen.append((call.kind, host))
            if outcome is not None:
                self.outcomes.append(outcome)
        return None


@pytest.fixture
def late() -> Iterator[Late]:
    late = Late()
    runtime = Runtime(Settings(Policy(service="test", strict=True), metaapps=frozenset()))
    runtime.register(late)
    runtime.instrument("grpc.aio")
    yield late
    runtime.uninstrument()


class Slow(grpc.GenericRpcHandler):
    """Answers by a stream that doesn't end, or after a long time."""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        async def stream(request: bytes, context: object) -> AsyncIterator[bytes]:
            while True:
                yield request
                await asyncio.sleep(0.01)

        async def wait(request: bytes, context: object) -> bytes:
            await asyncio.sleep(30)
            return request

        if details.method == "/slow/stream":
            return grpc.unary_stream_rpc_method_handler(stream)
        return grpc.unary_unary_rpc_method_handler(wait)


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[Any]:  # types of grpc want serializers
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Slow(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        await server.stop(None)


def test_a_call_that_is_gone_can_still_be_asked_about(late: Late) -> None:
    async def main() -> None:
        async with serving() as channel:
            for _ in range(20):
                call = channel.unary_stream("/slow/stream")(b"piece")
                await call.read()
                call.cancel()

    asyncio.run(main())
    served = [host for kind, host in late.seen if kind is Kind.SERVER]
    assert served == ["127.0.0.1"] * 20


def test_a_call_that_is_cancelled_before_it_is_sent_was_cancelled(late: Late) -> None:
    async def main() -> None:
        async with serving() as channel:

            async def call() -> bytes:
                answer: bytes = await channel.unary_unary("/slow/wait")(b"question")
                return answer

            task = asyncio.create_task(call())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.sleep(0.05)

    asyncio.run(main())
    (outcome,) = [each for each in late.outcomes if isinstance(each, Raised)]
    assert isinstance(outcome.error, asyncio.CancelledError)
