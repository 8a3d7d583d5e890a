"""Faults of gRPC can't be told from calls that really fail so, however they were made."""

from __future__ import annotations

import asyncio
import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from typing import Any, Final

import grpc
import pytest

from baggage.boundary import Boundary, Fault, FaultKind, Inject, Policy
from baggage.instrumentation import grpc as blocking
from baggage.instrumentation import grpc_aio as looped
from baggage.instrumentation._patching import Switch
from baggage.testing import Scripted
from baggage.testing.suite import failure, outcome_of
from tests import ipv6
from tests.instrumentation.grpc_peers import (
    METHOD,
    REQUEST,
    STREAM,
    aborting,
    cancelling,
    connected,
    hanging_up,
    nobody,
    serving,
    slow,
)
from tests.versions import at_least, needs

SAME_WORDS: Final = at_least("grpcio", "1.82")
"""Whether the library says of a failure what we do: its words are for people, and change."""

Peer = Callable[[], AbstractContextManager[str]]
Make = Callable[[Any, float], Any]

BOUNDARY: Final = Boundary(Policy(service="here", strict=True))
SWITCH: Final = Switch(on=False)
blocking.instrument(BOUNDARY, SWITCH)
looped.instrument(BOUNDARY, SWITCH)

LONG, SHORT = 20.0, 0.05
GONE = Fault(FaultKind.STATUS, status=5, body=b"gone")
SILENT = Fault(FaultKind.STATUS, status=5)
REFUSED, TIMEOUT = Fault(FaultKind.REFUSED), Fault(FaultKind.TIMEOUT)
RESET, CANCELLED = Fault(FaultKind.RESET), Fault(FaultKind.CANCELLED)

REAL: Final[dict[str, tuple[Fault, Peer, float]]] = {
    "refused": (REFUSED, nobody, LONG),
    "timed out": (TIMEOUT, slow, SHORT),
    "reset": (RESET, hanging_up, LONG),
    "aborted": (GONE, lambda: aborting("gone"), LONG),
    "aborted without a word": (SILENT, lambda: aborting(""), LONG),
}

CALLS: Final[dict[str, Make]] = {
    "call": lambda channel, timeout: channel.unary_unary(METHOD)(REQUEST, timeout),
    "with_call": lambda channel, timeout: channel.unary_unary(METHOD).with_call(REQUEST, timeout),
    "future": lambda channel, timeout: (
        channel.unary_unary(METHOD).future(REQUEST, timeout).result()
    ),
    "stream": lambda channel, timeout: next(channel.unary_stream(STREAM)(REQUEST, timeout)),
    "requests": lambda channel, timeout: channel.stream_unary(METHOD)(iter((REQUEST,)), timeout),
    "requests, future": lambda channel, timeout: (
        channel.stream_unary(METHOD).future(iter((REQUEST,)), timeout).result()
    ),
    "both streams": lambda channel, timeout: next(
        channel.stream_stream(STREAM)(iter((REQUEST,)), timeout)
    ),
}


@pytest.fixture(autouse=True)
def _off() -> Iterator[None]:
    yield
    SWITCH.on = False
    BOUNDARY.unregister("scripted")


def injected(script: dict[str, Any], make: Callable[[], Any]) -> Any:
    """Return what comes of a call under a script."""
    BOUNDARY.register(Scripted(**script))
    SWITCH.on = True
    return outcome_of(make)


def made(address: str, make: Make, timeout: float) -> Any:
    with connected(address) as channel:
        return outcome_of(lambda: make(channel, timeout))


# A read, a write, or a read after a write that failed: whichever notices a reset first names it.
_NOTICED: Final = re.compile(
    rf"Socket closed|(recvmsg:|sendmsg: ){re.escape(os.strerror(errno.ECONNRESET))} \(\d+\)"
)


def steady(text: str) -> str:
    """Return what is said of a reset, however it was noticed; older versions have other words."""
    return _NOTICED.sub("a reset", text) if SAME_WORDS else ""


def shape(error: Any) -> dict[str, object]:
    """Return all that an application can learn from a failed call."""
    future: dict[str, object] = {
        name: getattr(error, name)() for name in ("cancelled", "done", "running", "cancel")
    }
    return future | {
        "class": type(error),
        "kinds": (isinstance(error, grpc.RpcError), isinstance(error, grpc.Call)),
        "code": error.code(),
        "details": steady(error.details()),
        "debug": steady(error.debug_error_string()),
        "initial": tuple(error.initial_metadata()),
        "trailing": tuple(error.trailing_metadata()),
        "str": steady(str(error)),
        "repr": steady(repr(error)),
        "exception": error.exception() is error,
        "result": outcome_of(error.result) is error,
        "names": sorted(set(dir(error)) - {"_baggage_pending"}),
        "args": [type(arg) for arg in error.args],
        "cause": (error.__cause__, error.__context__),
    }


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("fault", REAL)
def test_a_fault_is_as_a_call_that_really_fails_so(call: str, fault: str) -> None:
    asked, peer, timeout = REAL[fault]
    with peer() as address:
        real = made(address, CALLS[call], timeout)
        enacted = injected({"first": Inject(asked)}, lambda: _raised(address, call, timeout))
    assert shape(enacted) == shape(real)


def _raised(address: str, call: str, timeout: float) -> None:
    with connected(address) as channel:
        CALLS[call](channel, timeout)


@pytest.mark.parametrize("call", ["call", "with_call", "future", "stream"])
@pytest.mark.parametrize("fault", REAL)
def test_a_fault_that_befalls_an_answer_is_as_a_real_one(call: str, fault: str) -> None:
    asked, peer, timeout = REAL[fault]
    with peer() as address:
        real = shape(made(address, CALLS[call], timeout))
    with serving(lambda request, _: request) as address:
        make: Make = CALLS[call]
        if call == "stream":
            make = lambda channel, timeout: list(channel.unary_stream(STREAM)(REQUEST, timeout))  # noqa: E731
        with connected(address) as channel:
            enacted = injected({"then": asked}, lambda: make(channel, LONG))
    there = {"details", "debug", "str", "repr"} if fault == "refused" else set()
    seen = shape(enacted)
    assert {k: v for k, v in seen.items() if k not in there} == {
        k: v for k, v in real.items() if k not in there
    }


def test_a_call_that_its_peer_cancelled_is_as_a_real_one() -> None:
    with cancelling() as address:
        real = made(address, CALLS["call"], LONG)
        enacted = injected({"first": Inject(CANCELLED)}, lambda: _raised(address, "call", LONG))
    assert shape(enacted) == shape(real)


@pytest.mark.parametrize(
    ("target", "where"),
    [
        ("127.0.0.1:{port}", "ipv4:127.0.0.1:{port}"),
        ("dns:///127.0.0.1:{port}", "ipv4:127.0.0.1:{port}"),
        ("ipv4:127.0.0.1:{port}", "ipv4:127.0.0.1:{port}"),
        pytest.param("ipv6:[::1]:{port}", "ipv6:%5B::1%5D:{port}", marks=ipv6.MARKS),
        ("unix:/nowhere/at/all.{port}", "unix:/nowhere/at/all.{port}"),
        ("unix:///nowhere/at/all.{port}", "unix:/nowhere/at/all.{port}"),
    ],
)
@needs("grpcio", "1.82", "older versions say in other words that nobody was there")
def test_a_refusal_names_the_place_as_a_real_one_does(target: str, where: str) -> None:
    with nobody() as address:
        port = address.rpartition(":")[2]
        place = target.format(port=port)
        real = made(place, CALLS["call"], LONG)
        enacted = injected({"first": Inject(REFUSED)}, lambda: _raised(place, "call", LONG))
    assert str(enacted) == str(real)
    assert where.format(port=port) in str(real)


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("grpc.RpcError", 14, grpc.StatusCode.UNAVAILABLE),
        ("grpc._channel._InactiveRpcError", 5, grpc.StatusCode.NOT_FOUND),
        ("grpc._channel._InactiveRpcError", None, grpc.StatusCode.UNKNOWN),
    ],
)
@pytest.mark.parametrize("call", ["call", "future", "stream"])
def test_an_exception_asked_for_by_name_is_the_one_of_that_call(
    call: str, name: str, status: int | None, code: grpc.StatusCode
) -> None:
    fault = Fault(FaultKind.RAISE, name=name, status=status)
    with nobody() as address:
        real = made(address, CALLS[call], LONG)
        enacted = injected({"first": Inject(fault)}, lambda: _raised(address, call, LONG))
    assert type(enacted) is type(real)
    assert enacted.code() is code


@pytest.mark.parametrize(
    "fault",
    [
        Fault(FaultKind.STATUS, status=0),
        Fault(FaultKind.STATUS, status=99),
        Fault(FaultKind.RAISE, name="builtins.ValueError"),
        Fault(FaultKind.RAISE, name="grpc.aio.AioRpcError"),
        Fault(FaultKind.BODY),
    ],
)
def test_what_is_no_failure_of_grpc_is_not_enacted(fault: Fault) -> None:
    with serving(lambda request, _: request) as address, connected(address) as channel:
        answer = injected({"first": Inject(fault)}, lambda: channel.unary_unary(METHOD)(REQUEST))
    assert answer == REQUEST


def test_a_future_that_failed_by_a_fault_calls_back_at_once() -> None:
    called: list[object] = []

    def call(address: str) -> Any:
        with connected(address) as channel:
            return channel.unary_unary(METHOD).future(REQUEST)

    with nobody() as address:
        future = injected({"first": Inject(REFUSED)}, lambda: call(address))
    future.add_done_callback(called.append)
    assert called == [future]
    assert not future.add_callback(lambda: None)
    assert (future.done(), future.is_active(), future.time_remaining()) == (True, False, None)
    assert future.traceback() is not None


def test_a_changed_body_that_can_t_be_read_is_the_library_s_own_error() -> None:
    def parse(serialized: bytes) -> str:
        return serialized.decode("ascii")

    with serving(lambda request, _: b"\xff") as address, connected(address) as channel:
        call = channel.unary_unary(METHOD, response_deserializer=parse)
        real: Any = outcome_of(lambda: call(REQUEST))
        body = Fault(FaultKind.BODY, body=b"\xfe")
        enacted = injected({"first": Inject(body)}, lambda: call(REQUEST))
        read = injected({"first": Inject(Fault(FaultKind.BODY, body=b"yes"))}, lambda: call(b""))
    assert (type(enacted), enacted.code(), enacted.details()) == (
        type(real),
        real.code(),
        real.details(),
    )
    assert read == "yes"


# The library of event loops.

AWAITED: Final[dict[str, Callable[[Any, float], Any]]] = {
    "call": lambda channel, timeout: channel.unary_unary(METHOD)(REQUEST, timeout=timeout),
    "stream": lambda channel, timeout: channel.unary_stream(STREAM)(REQUEST, timeout=timeout),
    "requests": lambda channel, timeout: channel.stream_unary(METHOD)(
        iter((REQUEST,)), timeout=timeout
    ),
    "both streams": lambda channel, timeout: channel.stream_stream(STREAM)(
        iter((REQUEST,)), timeout=timeout
    ),
}


async def _learned(address: str, make: Callable[[Any, float], Any], seconds: float) -> Any:
    """Return all that an application can learn from a failed call, and from its exception."""
    async with grpc.aio.insecure_channel(address) as channel:
        call = make(channel, seconds)
        error: Any = None
        try:
            if hasattr(call, "__await__"):
                await call
            else:
                async for _ in call:
                    pass
        except (grpc.aio.AioRpcError, asyncio.CancelledError) as raised:
            error = raised
        learned = {
            "class": type(call),
            "call": (call.done(), call.cancelled(), call.cancel(), steady(repr(call))),
            "code": await call.code(),
            "details": steady(await call.details()),
            "debug": steady(await call.debug_error_string() or ""),
            "initial": tuple(await call.initial_metadata()),
            "trailing": tuple(await call.trailing_metadata()),
            "error": (type(error), steady(str(error)), error.args),
            "cause": (error.__cause__, error.__context__),
        }
        if isinstance(error, grpc.aio.AioRpcError):
            learned["metadata"] = (error.initial_metadata(), error.trailing_metadata())
        return learned


@pytest.mark.parametrize("call", AWAITED)
@pytest.mark.parametrize("fault", REAL)
def test_a_fault_of_an_awaited_call_is_as_a_real_one(call: str, fault: str) -> None:
    asked, peer, timeout = REAL[fault]
    make = AWAITED[call]
    with peer() as address:
        real = asyncio.run(_learned(address, make, timeout))
        enacted = injected(
            {"first": Inject(asked)}, lambda: asyncio.run(_learned(address, make, timeout))
        )
    assert enacted == real


@pytest.mark.parametrize("fault", ["timed out", "reset", "aborted"])
def test_a_fault_that_befalls_an_awaited_answer_is_as_a_real_one(fault: str) -> None:
    asked, peer, timeout = REAL[fault]
    make = AWAITED["call"]
    with peer() as address:
        real = asyncio.run(_learned(address, make, timeout))
    with serving(lambda request, _: request) as address:
        enacted = injected({"then": asked}, lambda: asyncio.run(_learned(address, make, LONG)))
    assert enacted == real


def test_a_cancelled_call_is_as_one_that_the_application_cancelled() -> None:
    async def cancel(address: str) -> Any:
        def make(channel: Any, _: float) -> Any:
            call = channel.unary_unary(METHOD)(REQUEST)
            call.cancel()
            return call

        return await _learned(address, make, LONG)

    with nobody() as address:
        real = asyncio.run(cancel(address))
        enacted = injected(
            {"first": Inject(CANCELLED)},
            lambda: asyncio.run(_learned(address, AWAITED["call"], LONG)),
        )
    assert enacted == real


def test_an_application_s_handlers_take_an_injected_status() -> None:
    with nobody() as address, connected(address) as channel:
        BOUNDARY.register(Scripted(Inject(GONE)))
        SWITCH.on = True
        with suppress(grpc.RpcError):
            channel.unary_unary(METHOD)(REQUEST)
        error = failure(lambda: channel.unary_unary(METHOD)(REQUEST))
    assert isinstance(error, grpc.RpcError)
