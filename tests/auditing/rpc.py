"""One method of gRPC, as it is served and called with and without instrumentation."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import grpc
import grpc.aio

import baggage

METHOD = "/peers.Peer/Method"


def answer(request: bytes, context: Any) -> bytes:
    baggage.pack("answered", request)
    if request == b"fail":
        context.abort(grpc.StatusCode.UNAVAILABLE, "a bug")
    return request


def serve(pool: Executor) -> tuple[Any, int]:
    """Serve; return the server and its port."""
    server: Any = grpc.server(pool)  # type: ignore[arg-type]
    method: Any = grpc.unary_unary_rpc_method_handler(answer)
    handlers = grpc.method_handlers_generic_handler("peers.Peer", {"Method": method})
    server.add_generic_rpc_handlers((handlers,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def calling(port: int, request: bytes = b"request") -> Callable[[], None]:
    def call() -> None:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            method: Any = channel.unary_unary(METHOD)
            try:
                method(request)
            except grpc.RpcError:
                pass

    return call


async def awaiting(port: int) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        method: Any = channel.unary_unary(METHOD)
        await method(b"request")
