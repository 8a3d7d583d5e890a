"""gRPC's blocking library, in each of its spellings, keeps what every RPC library has to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, ClassVar

import grpc

from baggage.instrumentation import grpc as instrumentation
from baggage.testing.rpc import Call, Metadata, Refused, RpcSuite, Service, Stream

TIMEOUT = 300.0
CODES = {code.value[0]: code for code in grpc.StatusCode}
ANSWER, ANSWERS = "/suite.Service/Answer", "/suite.Service/Answers"
JOINED, ECHOED = "/suite.Service/Joined", "/suite.Service/Echoed"


def serve(step: Callable[[], Any], context: grpc.ServicerContext) -> Any:
    try:
        return step()
    except Refused as refused:
        context.abort(CODES[refused.code], refused.details)


def generic(service: Service) -> grpc.GenericRpcHandler:
    """Return what serves `service` by all four arities."""

    def answer(request: bytes, context: grpc.ServicerContext) -> Any:
        return serve(lambda: service.answer(request, tuple(context.invocation_metadata())), context)

    def answers(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        end = object()
        messages = service.answers(request, tuple(context.invocation_metadata()))
        while (message := serve(lambda: next(messages, end), context)) is not end:
            yield message

    return grpc.method_handlers_generic_handler(
        "suite.Service",
        {
            "Answer": grpc.unary_unary_rpc_method_handler(answer),
            "Answers": grpc.unary_stream_rpc_method_handler(answers),
            "Joined": grpc.stream_unary_rpc_method_handler(
                lambda requests, context: answer(b"".join(requests), context)
            ),
            "Echoed": grpc.stream_stream_rpc_method_handler(
                lambda requests, context: answers(b"".join(requests), context)
            ),
        },
    )


class TestCall(RpcSuite):
    """`stub.Method(request)`."""

    instrumentation: ClassVar = instrumentation

    @contextmanager
    def serving(self, service: Service) -> Iterator[str]:
        with ThreadPoolExecutor(2) as pool:
            server = grpc.server(pool)
            server.add_generic_rpc_handlers((generic(service),))
            port = server.add_insecure_port("127.0.0.1:0")
            server.start()
            try:
                yield f"127.0.0.1:{port}"
            finally:
                server.stop(None).wait()

    def channel(self, address: str) -> Any:
        return self.resources.enter_context(grpc.insecure_channel(address))

    def calling(self, address: str, metadata: Metadata = ()) -> Call:
        call = self.channel(address).unary_unary(ANSWER)
        return lambda request: call(request, timeout=TIMEOUT, metadata=metadata or None)

    def hasty(self, address: str) -> Call:
        call = self.channel(address).unary_unary(ANSWER)
        return lambda request: call(request, timeout=0.2)

    def streaming(self, address: str) -> Stream:
        call = self.channel(address).unary_stream(ANSWERS)
        return lambda request: reading(call(request, timeout=TIMEOUT))

    def code(self, error: BaseException) -> int:
        assert isinstance(error, grpc.RpcError)
        return number(error)


def number(error: grpc.RpcError) -> int:
    assert isinstance(error, grpc.Call)
    code: int = error.code().value[0]
    return code


def reading(call: Any) -> Iterator[bytes]:
    """Read a stream; let go of the call where nobody reads it any more."""
    try:
        yield from call
    finally:
        call.cancel()


class TestWithCall(TestCall):
    """`stub.Method.with_call(request)`."""

    def calling(self, address: str, metadata: Metadata = ()) -> Call:
        call = self.channel(address).unary_unary(ANSWER)

        def make(request: bytes) -> Any:
            answer, ended = call.with_call(request, TIMEOUT, tuple(metadata))
            assert (ended.code(), ended.details()) == (grpc.StatusCode.OK, "")
            assert isinstance(ended, grpc.Call)
            return answer

        return make


class TestFuture(TestCall):
    """`stub.Method.future(request)`."""

    def calling(self, address: str, metadata: Metadata = ()) -> Call:
        call = self.channel(address).unary_unary(ANSWER)

        def make(request: bytes) -> Any:
            future = call.future(request, timeout=TIMEOUT, metadata=list(metadata))
            assert isinstance(future, grpc.Future)
            assert isinstance(future, grpc.Call)
            answer: bytes = future.result()
            return answer

        return make


class TestStreamedRequests(TestCall):
    """`stub.Method(iterator)`, for one answer and for a stream of them."""

    lends = False
    test_equal_requests_have_equal_payloads: Any = None  # streams have none

    def calling(self, address: str, metadata: Metadata = ()) -> Call:
        call = self.channel(address).stream_unary(JOINED)
        return lambda request: call(iter((request,)), timeout=TIMEOUT, metadata=metadata)

    def streaming(self, address: str) -> Stream:
        call = self.channel(address).stream_stream(ECHOED)
        return lambda request: reading(call(iter((request,)), timeout=TIMEOUT))


class TestStreamedRequestsWithCall(TestStreamedRequests):
    """`stub.Method.with_call(iterator)`."""

    def calling(self, address: str, metadata: Metadata = ()) -> Call:
        call = self.channel(address).stream_unary(JOINED)
        return lambda request: call.with_call(iter((request,)), timeout=TIMEOUT, metadata=metadata)[
            0
        ]


class TestStreamedRequestsFuture(TestStreamedRequests):
    """`stub.Method.future(iterator)`."""

    def calling(self, address: str, metadata: Metadata = ()) -> Call:
        call = self.channel(address).stream_unary(JOINED)
        return lambda request: call.future(
            iter((request,)), timeout=TIMEOUT, metadata=metadata
        ).result()


class Through(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
):
    """An interceptor of an application."""

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(details, request)

    intercept_unary_stream: Any = intercept_unary_unary


class TestIntercepted(TestCall):
    """Channels and servers with interceptors of the application's."""

    def channel(self, address: str) -> Any:
        return grpc.intercept_channel(super().channel(address), Through())
