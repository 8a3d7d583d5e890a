"""Self-tests of gRPC: a channel and a server of the same library."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from baggage.doctor.probes.loopback import PATIENCE
from baggage.doctor.probes.probe import Peers, behind

_SERVICE: Final = "baggage.Doctor"
_METHOD: Final = f"/{_SERVICE}/Look"
_ANYWHERE: Final = "127.0.0.1:0"


def by_grpc(_: Peers) -> str:
    """Call a method."""
    import grpc

    def look(*_: object) -> bytes:
        return behind().encode()

    with ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool)
        server.add_generic_rpc_handlers((_handlers(grpc, look),))
        port = server.add_insecure_port(_ANYWHERE)
        server.start()
        try:
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                method: Any = channel.unary_unary(_METHOD)
                seen: bytes = method(b"", timeout=PATIENCE)
        finally:
            server.stop(None).wait(PATIENCE)
    return seen.decode()


def by_grpc_aio(_: Peers) -> str:
    """Await the call of a method."""
    import grpc
    from grpc import aio

    async def look(*_: object) -> bytes:
        return behind().encode()

    async def ask() -> str:
        server = aio.server()
        server.add_generic_rpc_handlers((_handlers(grpc, look),))
        port = server.add_insecure_port(_ANYWHERE)
        await server.start()
        try:
            async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                method: Any = channel.unary_unary(_METHOD)
                seen: bytes = await method(b"", timeout=PATIENCE)
        finally:
            await server.stop(None)
        return seen.decode()

    return asyncio.run(ask())


def _handlers(grpc: Any, look: Any) -> Any:
    handler = grpc.unary_unary_rpc_method_handler(look)
    return grpc.method_handlers_generic_handler(_SERVICE, {"Look": handler})
