"""gRPC's library for event loops, with every kind of handler, keeps what RPC libraries have to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Final

import grpc
import pytest

from baggage.instrumentation import grpc_aio as instrumentation
from baggage.testing.rpc import Call, Metadata, Refused, RpcSuite, Service, Stream

TIMEOUT = 300.0
CODES = {code.value[0]: code for code in grpc.StatusCode}
ANSWER, ANSWERS = "/suite.Service/Answer", "/suite.Service/Answers"
END: Final = object()


async def serve(step: Callable[[], Any], context: Any) -> Any:
    try:
        return await asyncio.to_thread(step)
    except Refused as refused:
        await context.abort(CODES[refused.code], refused.details)


class TestCoroutines(RpcSuite):
    """Handlers that are coroutines and asynchronous generators; one loop for both sides."""

    instrumentation: ClassVar = instrumentation
    loop: asyncio.AbstractEventLoop

    @pytest.fixture(autouse=True)
    def _looped(self, _clean: None) -> Iterator[None]:
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        try:
            yield
        finally:
            asyncio.set_event_loop(None)
            self.run(self.loop.shutdown_default_executor())
            self.loop.close()

    @pytest.fixture(autouse=True)
    def _served(self, _looped: None) -> Iterator[None]:
        yield from super()._served.__wrapped__(self, None)  # type: ignore[attr-defined]

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def handlers(self, service: Service) -> dict[str, Any]:
        async def answer(request: bytes, context: Any) -> Any:
            metadata = context.invocation_metadata()
            return await serve(lambda: service.answer(request, metadata), context)

        async def answers(request: bytes, context: Any) -> Any:
            messages = service.answers(request, context.invocation_metadata())
            while (message := await serve(lambda: next(messages, END), context)) is not END:
                yield message

        return {
            "Answer": grpc.unary_unary_rpc_method_handler(answer),
            "Answers": grpc.unary_stream_rpc_method_handler(answers),
        }

    @contextmanager
    def serving(self, service: Service) -> Iterator[str]:
        async def start() -> tuple[Any, int]:
            server = grpc.aio.server()
            generic = grpc.method_handlers_generic_handler("suite.Service", self.handlers(service))
            server.add_generic_rpc_handlers((generic,))
            port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            return server, port

        server, port = self.run(start())
        try:
            yield f"127.0.0.1:{port}"
        finally:
            self.run(server.stop(None))

    def channel(self, address: str) -> Any:
        async def make() -> grpc.aio.Channel:
            return grpc.aio.insecure_channel(address, interceptors=self.interceptors())

        channel = self.run(make())
        self.resources.callback(lambda: self.run(channel.close()))
        return channel

    def interceptors(self) -> Any:
        return None

    def calling(self, address: str, metadata: Metadata = ()) -> Call:
        call = self.channel(address).unary_unary(ANSWER)

        async def make(request: bytes) -> Any:
            return await call(request, timeout=TIMEOUT, metadata=grpc.aio.Metadata(*metadata))

        return lambda request: self.run(make(request))

    def hasty(self, address: str) -> Call:
        call = self.channel(address).unary_unary(ANSWER)

        async def make(request: bytes) -> Any:
            return await call(request, timeout=0.2)

        return lambda request: self.run(make(request))

    def streaming(self, address: str) -> Stream:
        method = self.channel(address).unary_stream(ANSWERS)

        async def start(request: bytes) -> Any:
            return method(request, timeout=TIMEOUT)

        return lambda request: self.reading(self.run(start(request)))

    def reading(self, call: Any) -> Iterator[bytes]:
        messages = aiter(call)

        async def step() -> Any:
            return await anext(messages, END)

        try:
            while (message := self.run(step())) is not END:
                yield message
        finally:
            call.cancel()

    def code(self, error: BaseException) -> int:
        assert isinstance(error, grpc.aio.AioRpcError)
        code: int = error.code().value[0]
        return code

    def turned(self) -> None:
        self.run(asyncio.sleep(0.001))


class TestWriters(TestCoroutines):
    """Streams that are written, and read, message by message."""

    def handlers(self, service: Service) -> dict[str, Any]:
        async def answers(request: bytes, context: Any) -> None:
            messages = service.answers(request, context.invocation_metadata())
            while (message := await serve(lambda: next(messages, END), context)) is not END:
                await context.write(message)

        return {
            **super().handlers(service),
            "Answers": grpc.unary_stream_rpc_method_handler(answers),
        }

    def reading(self, call: Any) -> Iterator[bytes]:
        async def step() -> Any:
            return await call.read()

        try:
            while (message := self.run(step())) is not grpc.aio.EOF:
                yield message
        finally:
            call.cancel()


class TestFunctions(TestCoroutines):
    """Handlers that are plain functions and generators, in threads of a pool."""

    # gRPC leaves the thread of a generator waiting for ever, whose caller has gone.
    test_a_caller_who_lets_go_ends_the_crossings: Any = None
    # One in three such calls never ends, also without us: gRPC sends the message and the status at
    # the same time, from two threads.
    test_what_a_stream_packs_comes_home_with_its_refusal: Any = None

    def handlers(self, service: Service) -> dict[str, Any]:
        def serve(step: Callable[[], Any], context: Any) -> Any:
            try:
                return step()
            except Refused as refused:
                context.abort(CODES[refused.code], refused.details)

        def answer(request: bytes, context: Any) -> Any:
            metadata = context.invocation_metadata()
            return serve(lambda: service.answer(request, metadata), context)

        def answers(request: bytes, context: Any) -> Iterator[Any]:
            messages = service.answers(request, context.invocation_metadata())
            while (message := serve(lambda: next(messages, END), context)) is not END:
                yield message

        return {
            "Answer": grpc.unary_unary_rpc_method_handler(answer),
            "Answers": grpc.unary_stream_rpc_method_handler(answers),
        }


class ThroughUnary(grpc.aio.UnaryUnaryClientInterceptor):
    """An interceptor of an application."""

    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return await continuation(details, request)


class ThroughStream(grpc.aio.UnaryStreamClientInterceptor):
    """Another one: each may be of one arity only."""

    async def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return await continuation(details, request)


class TestIntercepted(TestCoroutines):
    """Calls through interceptors of the application's."""

    def interceptors(self) -> Any:
        return [ThroughUnary(), ThroughStream()]


class TestStreamedRequests(TestCoroutines):
    """Calls that stream their requests."""

    lends = False
    test_equal_requests_have_equal_payloads: Any = None  # streams have none

    def handlers(self, service: Service) -> dict[str, Any]:
        known = super().handlers(service)

        async def joined(requests: Any, context: Any) -> Any:
            request = b"".join([request async for request in requests])
            return await known["Answer"].unary_unary(request, context)

        async def echoed(requests: Any, context: Any) -> Any:
            request = b"".join([request async for request in requests])
            async for message in known["Answers"].unary_stream(request, context):
                yield message

        return {
            "Answer": grpc.stream_unary_rpc_method_handler(joined),
            "Answers": grpc.stream_stream_rpc_method_handler(echoed),
        }

    def calling(self, address: str, metadata: Metadata = ()) -> Call:
        call = self.channel(address).stream_unary(ANSWER)

        async def requests(request: bytes) -> Any:
            yield request

        async def make(request: bytes) -> Any:
            return await call(requests(request), timeout=TIMEOUT, metadata=tuple(metadata))

        return lambda request: self.run(make(request))

    def streaming(self, address: str) -> Stream:
        method = self.channel(address).stream_stream(ANSWERS)

        async def start(request: bytes) -> Any:
            return method(iter((request,)), timeout=TIMEOUT)

        return lambda request: self.reading(self.run(start(request)))
