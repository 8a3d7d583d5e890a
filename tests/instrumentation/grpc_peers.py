"""Peers of gRPC calls that really fail: nobody, and those who are slow, hang up, abort."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import grpc

METHOD = "/peers.Peer/Method"
STREAM = "/peers.Peer/Stream"
REQUEST = b"the request"
_SETTINGS = b"\0\0\0\4\0\0\0\0\0"
_ABORT = struct.pack("ii", 1, 0)


def connected(address: str) -> AbstractContextManager[Any]:
    """Return a channel to an address, to be entered."""
    return grpc.insecure_channel(address)


@contextmanager
def nobody() -> Iterator[str]:
    """Yield the address of a port that nobody listens at."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


@contextmanager
def hanging_up() -> Iterator[str]:
    """Yield the address of a server that resets the connection once it has a request."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        thread = threading.Thread(target=_hang_up, args=(listening,), daemon=True)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def _hang_up(listening: socket.socket) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with connection:
            connection.sendall(_SETTINGS)
            seen = b""
            while REQUEST not in seen and (more := connection.recv(65536)):
                seen += more
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)


@contextmanager
def serving(method: Callable[[Any, Any], Any]) -> Iterator[str]:
    """Yield the address of a server whose two methods, unary and stream, do this."""

    def stream(request: Any, context: Any) -> Iterator[Any]:
        yield method(request, context)

    handlers: dict[str, Any] = {
        "Method": grpc.unary_unary_rpc_method_handler(method),
        "Stream": grpc.unary_stream_rpc_method_handler(stream),
    }
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("peers.Peer", handlers),)
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(None).wait()


@contextmanager
def slow() -> Iterator[str]:
    """Yield the address of a server that does not answer in time."""
    over = threading.Event()

    def wait(_: Any, __: Any) -> bytes:
        over.wait(300)
        return b""

    with serving(wait) as address:
        try:
            yield address
        finally:
            over.set()


def aborting(details: str) -> Any:
    """Return a server that aborts every call, to be entered."""

    def abort(_: Any, context: Any) -> bytes:
        context.abort(grpc.StatusCode.NOT_FOUND, details)
        raise AssertionError

    return serving(abort)


@contextmanager
def cancelling() -> Iterator[str]:
    """Yield the address of a server that cancels every call."""

    def cancel(_: Any, context: Any) -> bytes:
        context.cancel()
        return b""

    with serving(cancel) as address:
        yield address
