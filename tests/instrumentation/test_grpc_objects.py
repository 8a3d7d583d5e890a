"""What applications hold of gRPC's calls works as it does without us, on both sides."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from grpc.experimental import ChannelOptions

from baggage.boundary import Boundary, Kind, Policy, Raised, Returned
from baggage.context import attached, branch, pack, suppressed, unpack
from baggage.instrumentation import grpc as blocking
from baggage.instrumentation import grpc_aio as looped
from baggage.instrumentation._grpc.metadata import Metadata, texts
from baggage.instrumentation._grpc.target import endpoint_of
from baggage.instrumentation._patching import Switch
from baggage.testing import Recorder
from baggage.testing.suite import eventually, failure
from baggage.values import EMPTY
from tests.instrumentation.grpc_peers import METHOD, STREAM, connected, serving, slow

BOUNDARY: Final = Boundary(Policy(service="here", strict=True))
SWITCH: Final = Switch(on=False)
blocking.instrument(BOUNDARY, SWITCH)
looped.instrument(BOUNDARY, SWITCH)


def packing(request: bytes, _: Any) -> bytes:
    pack("n", request.decode())
    return request


@contextmanager
def called(method: Callable[[bytes, Any], Any] = packing) -> Iterator[Any]:
    """Yield a channel to a server, in a branch that carries something."""
    with (
        serving(method) as address,
        connected(address) as channel,
        attached(EMPTY.pack("tenant", "acme")),
    ):
        yield channel


@pytest.fixture(autouse=True)
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    BOUNDARY.register(recorder)
    SWITCH.on = True
    yield recorder
    SWITCH.on = False
    BOUNDARY.unregister("recorder")


def cancelled(recorder: Recorder) -> bool:
    ended = [one.outcome for one in recorder.ended if one.call.kind is Kind.CLIENT]
    return len(ended) == 1 and isinstance(ended[0], Raised)


@pytest.mark.parametrize("make", [tuple, list, lambda items: grpc.aio.Metadata(*items)])
def test_metadata_of_the_application_is_never_changed(make: Callable[[Any], Any]) -> None:
    given, same = make([("x-a", "1")]), make([("x-a", "1")])
    with called() as channel:
        channel.unary_unary(METHOD)(b"1", metadata=given)
        channel.unary_unary(METHOD).future(b"1", metadata=given).result()
    assert list(given) == list(same)
    assert type(given) is type(same)


def test_what_a_future_brought_is_joined_by_whoever_takes_its_result() -> None:
    with called() as channel:
        first = channel.unary_unary(METHOD).future(b"1")
        second = channel.unary_unary(METHOD).future(b"2")
        eventually(lambda: first._state.code and second._state.code)
        assert unpack("n") == ()
        assert second.result() == b"2"
        assert unpack("n") == ("2",)
        assert first.exception() is None
        assert set(unpack("n")) == {"1", "2"}


def test_callbacks_run_in_the_branch_of_their_call_and_leak_nothing() -> None:
    seen: list[object] = []
    over = threading.Event()

    def follow(future: Any) -> None:
        seen.append((future.result(), unpack("tenant"), unpack("n")))
        pack("tenant", "callback's")
        over.set()

    with serving(packing) as address, connected(address) as channel:
        for tenant in ("acme", "other"):
            over.clear()
            with attached(EMPTY.pack("tenant", tenant)):
                channel.unary_unary(METHOD).future(b"1").add_done_callback(follow)
                assert over.wait(300)
    assert seen == [(b"1", ("acme",), ("1",)), (b"1", ("other",), ("1",))]


def test_a_future_that_is_cancelled_ends_its_crossing(recorder: Recorder) -> None:
    with slow() as address, connected(address) as channel:
        future = channel.unary_unary(METHOD).future(b"1")
        assert not future.done()
        assert future.cancel()
        assert future.cancelled()
        assert isinstance(failure(future.result), grpc.FutureCancelledError)
        assert future.code() is grpc.StatusCode.CANCELLED
        eventually(lambda: cancelled(recorder))


def test_a_future_whose_result_does_not_come_in_time_goes_on(recorder: Recorder) -> None:
    with slow() as address, connected(address) as channel:
        future = channel.unary_unary(METHOD).future(b"1")
        assert isinstance(failure(lambda: future.result(timeout=0.01)), grpc.FutureTimeoutError)
        assert [one for one in recorder.ended if one.call.kind is Kind.CLIENT] == []
        future.cancel()


@pytest.mark.parametrize("method", ["future", "stream"])
def test_a_call_that_the_application_lets_go_of_is_cancelled(
    method: str, recorder: Recorder
) -> None:
    with slow() as address, connected(address) as channel:
        if method == "future":
            channel.unary_unary(METHOD).future(b"1")
        else:
            channel.unary_stream(STREAM)(b"1")
        gc.collect()
        eventually(lambda: cancelled(recorder))


def test_a_deadline_is_described_on_both_sides(recorder: Recorder) -> None:
    with serving(packing) as address, connected(address) as channel:
        channel.unary_unary(METHOD)(b"1", timeout=300)
        channel.unary_unary(METHOD)(b"1")
    recorder.wait(lambda it: len(it.ended) == 4)
    timeouts = [one.call.timeout for one in recorder.begun]
    assert timeouts[0] == 300
    assert timeouts[1] is not None
    assert 0 < timeouts[1] < 600  # the wire rounds it
    assert timeouts[2:] == [None, None]


def test_requests_that_are_streamed_are_made_in_a_branch_of_the_caller_s() -> None:
    seen: list[object] = []

    def requests() -> Iterator[bytes]:
        for n in range(2):
            seen.append(unpack("tenant"))
            pack("made", n)
            yield b"%d" % n

    joined: Any = grpc.stream_unary_rpc_method_handler(lambda requests, _: b"".join(requests))
    generic = grpc.method_handlers_generic_handler("peers.Peer", {"Method": joined})
    with ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool, [generic])
        address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        with connected(address) as channel, attached(EMPTY.pack("tenant", "acme")):
            assert channel.stream_unary(METHOD)(requests()) == b"01"
            assert set(unpack("made")) == {0, 1}
            future = channel.stream_unary(METHOD).future(requests())
            assert future.result() == b"01"
            assert sorted(map(int, unpack("made"))) == [0, 0, 1, 1]
        server.stop(None).wait()
    assert seen == [("acme",)] * 4


def test_a_server_s_context_is_the_library_s() -> None:
    seen: list[object] = []
    ended = threading.Event()

    def look(request: bytes, context: Any) -> bytes:
        assert context.add_callback(ended.set)
        context.set_trailing_metadata((("x-own", "1"),))
        context.send_initial_metadata((("x-first", "2"),))
        seen.append((context.is_active(), isinstance(context, grpc.ServicerContext)))
        context.set_code(grpc.StatusCode.DATA_LOSS)
        context.set_details("some")
        return request

    with serving(look) as address, connected(address) as channel:
        with attached(EMPTY.pack("tenant", "acme")):
            error: Any = failure(lambda: channel.unary_unary(METHOD)(b"1"))
        assert ended.wait(300)
    assert seen == [(True, True)]
    assert (error.code(), error.details()) == (grpc.StatusCode.DATA_LOSS, "some")
    assert dict(error.initial_metadata()) == {"x-first": "2"}
    assert [key for key, _ in error.trailing_metadata()] == ["x-own", "baggage"]


@pytest.mark.parametrize("place", ["unix", "secure"])
def test_channels_of_any_kind_are_covered(place: str, tmp_path: Path, recorder: Recorder) -> None:
    generic = grpc.method_handlers_generic_handler(
        "peers.Peer", {"Method": grpc.unary_unary_rpc_method_handler(packing)}
    )
    with ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool, [generic])
        if place == "unix":
            address = f"unix:{tmp_path}/socket"
            server.add_insecure_port(address)
            channel: Any = grpc.insecure_channel(address)
        else:
            credentials = grpc.local_server_credentials(grpc.LocalConnectionType.LOCAL_TCP)
            address = f"127.0.0.1:{server.add_secure_port('127.0.0.1:0', credentials)}"
            channel = grpc.secure_channel(address, grpc.local_channel_credentials())
        server.start()
        with channel, attached(EMPTY.pack("tenant", "acme")):
            channel.unary_unary(METHOD)(b"1")
            assert unpack("n") == ("1",)
        server.stop(None).wait()
    assert str(recorder.begun[0].call.endpoint) == address


def test_streams_that_take_no_other_thread_are_covered(recorder: Recorder) -> None:
    options = ((ChannelOptions.SingleThreadedUnaryStream, 1),)
    with (
        serving(packing) as address,
        grpc.insecure_channel(address, options) as channel,
        attached(EMPTY.pack("tenant", "acme")),
    ):
        stream: Any = channel.unary_stream(STREAM)
        call = stream(b"1")
        assert list(call) == [b"1"]
        assert type(call).__name__ == "_SingleThreadedRendezvous"
        assert unpack("n") == ("1",)
    outcome = recorder.ended[-1].outcome
    assert isinstance(outcome, Returned)


def test_concurrent_calls_over_one_channel_join_their_own() -> None:
    with serving(packing) as address, connected(address) as channel, ThreadPoolExecutor(4) as pool:
        call = channel.unary_unary(METHOD)

        def ask(n: int) -> object:
            with attached(EMPTY.pack("tenant", n)):
                call(b"%d" % n)
                return unpack("n")

        assert list(pool.map(ask, range(12))) == [(str(n),) for n in range(12)]


def test_an_interceptor_may_answer_fail_and_stream_by_itself(recorder: Recorder) -> None:
    class Unary(grpc.aio.UnaryUnaryClientInterceptor):
        async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
            if request == b"fail":
                call = await continuation(details, b"fail")
                await call
            return b"by itself"

    class Stream(grpc.aio.UnaryStreamClientInterceptor):
        async def intercept_unary_stream(
            self, continuation: Any, details: Any, request: Any
        ) -> Any:
            call = await continuation(details, request)

            async def doubled() -> Any:
                async for message in call:
                    yield message * 2

            return doubled()

    async def main(address: str) -> None:
        interceptors: Any = [Unary(), Stream()]
        async with grpc.aio.insecure_channel(address, interceptors=interceptors) as channel:
            unary: Any = channel.unary_unary(METHOD)
            assert await unary(b"1") == b"by itself"
            with pytest.raises(grpc.aio.AioRpcError):
                await unary(b"fail")
            stream: Any = channel.unary_stream(STREAM)
            assert [message async for message in stream(b"1")] == [b"11"]

    def failing(request: bytes, context: Any) -> bytes:
        pack("n", request.decode())
        if request == b"fail":
            context.abort(grpc.StatusCode.NOT_FOUND, "gone")
        return request

    with serving(failing) as address, attached(EMPTY.pack("tenant", "acme")):
        asyncio.run(main(address))
        assert set(unpack("n")) == {"1", "fail"}
    outcomes = [one.outcome for one in recorder.ended if one.call.library == "grpc.aio"]
    assert [type(outcome) for outcome in outcomes] == [Returned, Raised, Returned]


def test_a_server_of_a_meta_application_is_seen_by_nobody(recorder: Recorder) -> None:
    async def echo(request: bytes, _: Any) -> bytes:
        assert unpack("tenant") == ()
        return request

    async def main() -> None:
        server = grpc.aio.server()
        handlers: Any = {"Method": grpc.unary_unary_rpc_method_handler(echo)}
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("peers.Peer", handlers),)
        )
        port = server.add_insecure_port("127.0.0.1:0")
        with suppressed():
            await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call: Any = channel.unary_unary(METHOD)
            assert await call(b"1") == b"1"
        await server.stop(None)

    with attached(EMPTY.pack("tenant", "acme")):
        asyncio.run(main())
    assert [one.call.kind for one in recorder.begun] == [Kind.CLIENT]


def test_interleaved_calls_of_a_loop_join_their_own() -> None:
    async def ask(channel: Any, n: int) -> object:
        with attached(EMPTY.pack("tenant", n)):
            await channel.unary_unary(METHOD)(b"%d" % n)
            return unpack("n")

    async def main(address: str) -> list[object]:
        async with grpc.aio.insecure_channel(address) as channel:
            return await asyncio.gather(*(ask(channel, n) for n in range(8)))

    with serving(packing) as address:
        assert asyncio.run(main(address)) == [(str(n),) for n in range(8)]


def test_an_awaited_call_keeps_what_it_tells_of_itself() -> None:
    async def main(address: str) -> None:
        async with grpc.aio.insecure_channel(address) as channel:
            method: Any = channel.unary_unary(METHOD)
            told: list[object] = []
            call: Any = method(b"1", timeout=300)
            call.add_done_callback(told.append)
            assert isinstance(call, grpc.aio.UnaryUnaryCall)
            assert 0 < (call.time_remaining() or 0) <= 300
            assert not call.done()
            assert await call == b"1"
            assert await call == b"1"
            assert (await call.code(), await call.details()) == (grpc.StatusCode.OK, "")
            assert (told, call.done(), call.cancelled()) == ([call], True, False)

    with serving(packing) as address, attached(EMPTY.pack("tenant", "acme")):
        asyncio.run(main(address))
        assert unpack("n") == ("1",)


def test_awaiting_a_call_that_is_cancelled_meanwhile_ends_its_crossing(
    recorder: Recorder,
) -> None:
    async def main(address: str) -> None:
        async with grpc.aio.insecure_channel(address) as channel:
            method: Any = channel.unary_unary(METHOD)
            call = method(b"1")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.ensure_future(call), 0.05)
            assert call.cancelled()

    with slow() as address:
        asyncio.run(main(address))
        eventually(lambda: cancelled(recorder))
    assert branch() is None


@pytest.mark.parametrize(
    ("target", "endpoint"),
    [
        ("localhost:50051", "localhost:50051"),
        ("dns:///shop:1", "shop:1"),
        ("dns://8.8.8.8/shop:1", "shop:1"),
        ("shop", "shop:443"),
        ("ipv4:10.0.0.1:5,10.0.0.2:6", "10.0.0.1:5"),
        ("[::1]:7", "::1:7"),
        ("ipv6:%5B::1%5D:7", "::1:7"),
        ("unix:///run/shop.sock", "unix:/run/shop.sock"),
        ("unix-abstract:shop", "unix-abstract:shop"),
        ("xds:///shop", "shop:443"),
        ("", ":443"),
    ],
)
def test_a_target_names_an_endpoint(target: str, endpoint: str) -> None:
    assert str(endpoint_of(target)) == endpoint


def test_metadata_that_grpc_would_refuse_is_left_out() -> None:
    metadata = Metadata((("x-own", "1"), ("x-bytes-bin", b"\0")))
    for name in ("x-bin", "grpc-timeout", ":path", "x y", ""):
        metadata.set(name, "value")
    assert metadata.sent == (("x-own", "1"), ("x-bytes-bin", b"\0"))
    metadata.set("X-Flow", "a\tb")
    assert metadata.sent[-1] == ("x-flow", "a b")


def test_metadata_is_kept_below_what_peers_take_in_all() -> None:
    metadata = Metadata((("x-much", "m" * 6000),))
    metadata.set("baggage", ",".join(f"key{n}=value" for n in range(500)))
    assert sum(len(key) + len(value) + 32 for key, value in metadata.items) <= 8192 - 1024
    assert str(metadata.items[1][1]).endswith(",key499=value")


def test_metadata_that_came_is_shown_as_text() -> None:
    assert texts((("a", "1"), ("a", "2"), ("b-bin", b"\0"))) == {"a": "1,2"}
    assert texts(None) == {}
