"""A program whose gRPC objects exist before it instruments everything, with generated stubs.

Run with the folder of the generated modules on the path. Prints what went wrong, or nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

import grpc

import baggage
from baggage.boundary import Kind, Raised
from baggage.testing import Recorder
from baggage.testing.suite import failure
from baggage.values import EMPTY

messages: Any = import_module("greeter_pb2")
stubs: Any = import_module("greeter_pb2_grpc")


class Greeter(stubs.GreeterServicer):  # type: ignore[misc]  # has no types
    """A servicer as applications write them."""

    def Greet(self, request: Any, context: Any) -> Any:  # noqa: N802 - as in the schema
        if not request.name:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "nobody")
        baggage.pack("greeted", request.name)
        return messages.Greeting(words=f"hello {request.name} of {baggage.unpack('tenant')}")

    def Count(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802 - as in the schema
        for letter in request.name:
            yield messages.Greeting(words=letter)
        baggage.pack("greeted", request.name)


class AsyncGreeter(stubs.GreeterServicer):  # type: ignore[misc]
    """The same for an event loop; one of its methods is a plain function."""

    async def Greet(self, request: Any, context: Any) -> Any:  # noqa: N802 - as in the schema
        if not request.name:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "nobody")
        baggage.pack("greeted", request.name)
        return messages.Greeting(words=f"hello {request.name} of {baggage.unpack('tenant')}")

    def Count(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802 - as in the schema
        for letter in request.name:
            yield messages.Greeting(words=letter)
        baggage.pack("greeted", request.name)


CROSSED = (Kind.CLIENT, Kind.SERVER)


def request(name: str) -> Any:
    attributes = {f"key{n}": "value" for n in range(9)}
    return messages.Person(name=name, attributes=attributes)


def serve(pool: ThreadPoolExecutor) -> tuple[grpc.Server, Any]:
    server = grpc.server(pool)
    stubs.add_GreeterServicer_to_server(Greeter(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, stubs.GreeterStub(grpc.insecure_channel(f"127.0.0.1:{port}"))


async def aserve() -> tuple[Any, Any, Any]:
    server = grpc.aio.server()
    stubs.add_GreeterServicer_to_server(AsyncGreeter(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    return server, channel, stubs.GreeterStub(channel)


def check(recorder: Recorder, library: str) -> None:
    """Check what was seen of three calls, and that nothing of gRPC's own was."""
    recorder.wait(lambda it: len([one for one in it.ended if one.call.kind in CROSSED]) >= 6)
    seen = [crossed.call for crossed in recorder.begun]
    assert {call.library for call in seen} == {library}, [(it.kind, it.library) for it in seen]
    kinds = [call.kind for call in seen]
    assert kinds == [Kind.CLIENT, Kind.SERVER] * 3, kinds
    assert seen[0].operation == "/greetings.Greeter/Greet"
    assert seen[0].method == "Greet"
    assert seen[0].payload == seen[1].payload, "maps are in any order unless asked not to be"
    failed = recorder.ended[-1].outcome
    assert failed is not None
    assert isinstance(failed, Raised)
    assert failed.facts.status == 3
    recorder.begun.clear()
    recorder.ended.clear()


def blocking(stub: Any) -> None:
    with baggage.attached(EMPTY.pack("tenant", "acme")) as running:
        assert stub.Greet(request("ada")).words == "hello ada of ('acme',)"
        assert running.unpack("greeted") == ("ada",)
        assert [greeting.words for greeting in stub.Count(request("bo"))] == ["b", "o"]
        assert set(running.unpack("greeted")) == {"ada", "bo"}
        assert "nobody" in str(failure(lambda: stub.Greet(request(""))))


async def looped(stub: Any) -> None:
    with baggage.attached(EMPTY.pack("tenant", "acme")) as running:
        assert (await stub.Greet(request("ada"))).words == "hello ada of ('acme',)"
        assert running.unpack("greeted") == ("ada",)
        assert [greeting.words async for greeting in stub.Count(request("bo"))] == ["b", "o"]
        assert set(running.unpack("greeted")) == {"ada", "bo"}
        assert "nobody" in str(await raised(stub.Greet(request(""))))


async def raised(call: Any) -> object:
    try:
        return await call
    except grpc.RpcError as error:
        return error


def main() -> None:
    with ThreadPoolExecutor(3) as pool:
        early, stub = serve(pool)
        stub.Greet(request("early"))
        recorder = Recorder()
        baggage.register(recorder)
        baggage.instrument(service="greetings")
        blocking(stub)
        check(recorder, "grpc")
        late, stub = serve(pool)
        blocking(stub)
        check(recorder, "grpc")
        for server in (early, late):
            server.stop(None).wait()
        assert recorder.begun == [], recorder.begun


async def amain() -> None:
    early, open_early, stub = await aserve()
    await stub.Greet(request("early"))
    recorder = Recorder()
    baggage.register(recorder)
    baggage.instrument(service="greetings")
    await looped(stub)
    check(recorder, "grpc.aio")
    late, open_late, stub = await aserve()
    await looped(stub)
    check(recorder, "grpc.aio")
    for channel, server in ((open_early, early), (open_late, late)):
        await channel.close()
        await server.stop(None)
    assert recorder.begun == [], recorder.begun


if __name__ == "__main__":
    import sys

    if sys.argv[1] == "blocking":
        main()
    else:
        asyncio.run(amain())
