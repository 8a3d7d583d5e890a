"""gRPC retries by itself, and its callees pass on what befell their own calls: neither doubles."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import ModuleType
from typing import Any, ClassVar

import grpc
import grpc.aio
import pytest

from baggage.context import Branch, attached, branch, ensure, pack, unpack
from baggage.instrumentation import grpc as blocking
from baggage.instrumentation import grpc_aio as looping
from baggage.testing._lending import LENDING, owned
from baggage.testing.suite import InstrumentationSuite
from baggage.values import EMPTY

METHOD = "/suite.Service/Answer"
UNCONNECTED = "failed to connect to all addresses; last error: of a call of its own"
RETRYING = json.dumps(
    {
        "methodConfig": [
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 3,
                    "initialBackoff": "0.01s",
                    "maxBackoff": "0.01s",
                    "backoffMultiplier": 1,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
    }
)
Behave = Callable[[bytes, Any], bytes]


@contextmanager
def serving(behave: Behave) -> Iterator[str]:
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        handlers: dict[str, Any] = {"Answer": grpc.unary_unary_rpc_method_handler(behave)}
        generic = grpc.method_handlers_generic_handler("suite.Service", handlers)
        server.add_generic_rpc_handlers((generic,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(None).wait()


class TestBlocking(InstrumentationSuite):
    instrumentation: ClassVar[ModuleType] = blocking

    @pytest.fixture
    def here(self) -> Iterator[Branch]:
        self.boundary.configure(LENDING)
        with attached(EMPTY.pack("n", 0)) as running:
            yield running

    def call(self, address: str, *options: tuple[str, Any]) -> None:
        with grpc.insecure_channel(address, options=options) as channel:
            method: Any = channel.unary_unary(METHOD)
            method(b"", timeout=300)

    def test_a_callee_that_passes_on_a_refusal_gives_back_what_it_had(self, here: Branch) -> None:
        kept: list[Branch] = []

        def behave(_: bytes, context: Any) -> bytes:
            pack("n", 1)
            running = branch()
            assert running is not None
            kept.append(running.split())
            context.abort(grpc.StatusCode.UNAVAILABLE, UNCONNECTED)
            return b""

        with serving(behave) as address, pytest.raises(grpc.RpcError):
            self.call(address)
        (mine,), (theirs,) = owned(here), owned(kept[0])
        assert mine + theirs == 1
        assert unpack("n") == (0, 1)

    def test_what_grpc_sends_again_is_lent_once(self, here: Branch) -> None:
        owners: list[Any] = []

        def behave(_: bytes, context: Any) -> bytes:
            owners.append(owned(ensure()))
            pack("n", len(owners))
            if len(owners) < 3:
                context.abort(grpc.StatusCode.UNAVAILABLE, "again")
            return b""

        with serving(behave) as address:
            self.call(address, ("grpc.service_config", RETRYING))
        assert owners == [[1], [0], [0]]
        pack("n", 4)
        assert {0, 3, 4} <= set(unpack("n"))
        assert owned(here)[0] == 0


class TestLooping(InstrumentationSuite):
    instrumentation: ClassVar[ModuleType] = looping

    def test_of_calls_begun_at_once_the_first_is_lent_all_and_all_are_exact(self) -> None:
        self.boundary.configure(LENDING)
        owners: list[Any] = []

        async def behave(_: bytes, __: Any) -> bytes:
            owners.append(sum(owned(ensure())))
            pack("n", 1)
            await asyncio.sleep(0.01)
            return b""

        async def main() -> None:
            server = grpc.aio.server()
            handlers: dict[str, Any] = {"Answer": grpc.unary_unary_rpc_method_handler(behave)}
            generic = grpc.method_handlers_generic_handler("suite.Service", handlers)
            server.add_generic_rpc_handlers((generic,))
            port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                method: Any = channel.unary_unary(METHOD)
                calls = [method(b"", timeout=300) for _ in range(3)]
                pack("n", 2)
                for call in calls:
                    await call
            await server.stop(None)

        with attached(EMPTY.pack("n", 0)) as running:
            asyncio.run(main())
            pack("n", 3)
            assert sorted(map(int, unpack("n"))) == [0, 1, 1, 1, 2, 3]
            assert sorted(owners) == [0, 0, 1]
            assert all(mass == 1 for mass in owned(running))
