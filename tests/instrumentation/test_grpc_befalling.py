"""Faults of gRPC calls that happen: every code, lost and edited answers, calls that are slow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Final

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct
from google.protobuf.type_pb2 import Type

from baggage.boundary import Boundary, Fault, FaultKind, Inject, Outcome, Policy
from baggage.instrumentation import grpc as blocking
from baggage.instrumentation import grpc_aio as looped
from baggage.instrumentation._patching import Switch
from baggage.testing import Scripted
from baggage.testing.suite import comes_to_hold, eventually, failure, outcome_of
from tests.instrumentation.grpc_peers import (
    METHOD,
    REQUEST,
    STREAM,
    aborting,
    connected,
    nobody,
    serving,
)

BOUNDARY: Final = Boundary(Policy(service="here", strict=True))
SWITCH: Final = Switch(on=False)
blocking.instrument(BOUNDARY, SWITCH)
looped.instrument(BOUNDARY, SWITCH)

CODES: Final = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]
LATE: Final = Fault(FaultKind.TIMEOUT, late=True)
SLOW: Final = Fault(FaultKind.DELAY, seconds=0.02)


@pytest.fixture(autouse=True)
def _off() -> Iterator[None]:
    SWITCH.on = True
    yield
    SWITCH.on = False
    BOUNDARY.unregister("scripted")


def scripted(fault: Fault) -> list[Outcome]:
    """Have a fault injected; return where outcomes are noted."""
    script = Scripted(Inject(fault))
    BOUNDARY.register(script)
    return script.saw


def result(address: str, make: Callable[[Any], Any]) -> Any:
    with connected(address) as channel:
        return make(channel)


def awaited(address: str, make: Callable[[Any], Any]) -> Any:
    async def call() -> Any:
        async with grpc.aio.insecure_channel(address) as channel:
            calling = make(channel)
            if hasattr(calling, "__await__"):
                return await calling
            return [message async for message in calling]

    return asyncio.run(call())


Way = tuple[Callable[[str, Callable[[Any], Any]], Any], Callable[..., Any]]
WAYS: Final[dict[str, Way]] = {
    "call": (result, lambda channel, **options: channel.unary_unary(METHOD)(REQUEST, **options)),
    "with_call": (
        result,
        lambda channel, **options: channel.unary_unary(METHOD).with_call(REQUEST, **options)[0],
    ),
    "future": (
        result,
        lambda channel, **options: channel.unary_unary(METHOD).future(REQUEST, **options).result(),
    ),
    "stream": (
        result,
        lambda channel, **options: list(channel.unary_stream(STREAM)(REQUEST, **options)),
    ),
    "awaited": (
        awaited,
        lambda channel, **options: channel.unary_unary(METHOD)(REQUEST, **options),
    ),
    "awaited stream": (
        awaited,
        lambda channel, **options: channel.unary_stream(STREAM)(REQUEST, **options),
    ),
}
WHOLE: Final = [way for way in WAYS if "stream" not in way]


def made(way: str, address: str, **options: float) -> Any:
    ask, make = WAYS[way]
    return outcome_of(lambda: ask(address, lambda channel: make(channel, **options)))


def code_of(error: Any) -> grpc.StatusCode:
    if isinstance(error, asyncio.CancelledError):
        return grpc.StatusCode.CANCELLED
    code: grpc.StatusCode = error.code()
    return code


def test_there_are_sixteen_codes() -> None:
    assert sorted(code.value[0] for code in CODES) == list(range(1, 17))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("code", CODES, ids=lambda code: str(code.name))
def test_each_code_is_what_the_caller_sees(way: str, code: grpc.StatusCode) -> None:
    fault = Fault(FaultKind.STATUS, status=code.value[0], body=b"why")
    saw = scripted(fault)
    with nobody() as address:
        error = made(way, address)
    assert code_of(error) is code
    assert saw[0].injected == fault
    if not isinstance(error, asyncio.CancelledError):
        assert error.details() == "why"
        assert saw[0].facts.status == code.value[0]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("code", CODES, ids=lambda code: str(code.name))
def test_each_code_may_stand_for_an_answer(way: str, code: grpc.StatusCode) -> None:
    ran: list[bytes] = []
    fault = Fault(FaultKind.STATUS, status=code.value[0], late=True)
    saw = scripted(fault)

    def answer(request: bytes, _: object) -> bytes:
        ran.append(request)
        return request

    with serving(answer) as address:
        assert code_of(made(way, address)) is code
    assert (saw[0].injected, ran) == (fault, [REQUEST])


@pytest.mark.parametrize("way", WAYS)
def test_a_refusal_of_the_callee_is_an_answer_that_gets_lost(way: str) -> None:
    saw = scripted(LATE)
    with aborting("gone") as address:
        assert code_of(made(way, address)) is grpc.StatusCode.DEADLINE_EXCEEDED
    assert saw[0].injected == LATE


@pytest.mark.parametrize("way", WAYS)
def test_a_slow_call_is_answered_as_ever(way: str) -> None:
    saw = scripted(SLOW)
    with serving(lambda request, _: request) as address:
        answer = made(way, address)
    assert answer == ([REQUEST] if "stream" in way else REQUEST)
    assert saw[0].injected == SLOW


@pytest.mark.parametrize("way", WAYS)
def test_a_call_that_is_too_slow_did_reach_the_callee(way: str) -> None:
    ran: list[bytes] = []
    saw = scripted(Fault(FaultKind.DELAY, seconds=60))

    def answer(request: bytes, _: object) -> bytes:
        ran.append(request)
        return request

    def reached(address: str) -> bool:
        error = made(way, address, timeout=0.5)
        assert code_of(error) is grpc.StatusCode.DEADLINE_EXCEEDED
        return comes_to_hold(lambda: ran, 1)

    with serving(answer) as address:
        # On a busy machine the time may be up before a call has left: then another is made.
        eventually(lambda: reached(address))
    assert {each.injected for each in saw} == {Fault(FaultKind.DELAY, seconds=60)}
    assert set(ran) == {REQUEST}


def test_a_slow_call_of_an_event_loop_keeps_what_the_library_tells_of_it() -> None:
    scripted(SLOW)

    async def call(address: str) -> Any:
        async with grpc.aio.insecure_channel(address) as channel:
            method: Any = channel.unary_unary(METHOD)
            calling = method(REQUEST)
            return await calling, await calling.trailing_metadata(), await calling.code()

    def answer(request: bytes, context: Any) -> bytes:
        context.set_trailing_metadata((("told", "yes"),))
        return request

    with serving(answer) as address:
        message, trailing, code = asyncio.run(call(address))
    assert (message, dict([*trailing])["told"], code) == (REQUEST, "yes", grpc.StatusCode.OK)


# Edits

FIELDS: Final[Any] = {"name": "users", "kind": 3, "nested": {"a": [1, "x"]}}


def messages(kind: type[Any]) -> dict[str, Any]:
    return {
        "request_serializer": lambda _: b"",
        "response_deserializer": kind.FromString,
    }


def edited(edit: str, message: Any, *, loop: bool = False) -> tuple[Any, Fault | None]:
    """Return what a caller sees of a message under an edit, and what is said to be injected."""
    saw = scripted(Fault(FaultKind.BODY, edit=edit))
    options = messages(type(message))
    ask = awaited if loop else result
    with serving(lambda _, __: message.SerializeToString()) as address:
        seen = outcome_of(lambda: ask(address, lambda it: it.unary_unary(METHOD, **options)(None)))
    return seen, saw[0].injected


def typed() -> Any:
    message = Type(name="user", oneofs=["one", "two"])
    message.fields.add(name="id", number=1)
    message.fields.add(name="mail", number=2)
    message.source_context.file_name = "user.proto"
    return message


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize(
    ("edit", "change"),
    [
        ("null name", lambda it: it.ClearField("name")),
        ("drop name", lambda it: it.ClearField("name")),
        ("drop fields", lambda it: it.ClearField("fields")),
        ("drop fields[0]", lambda it: it.fields.pop(0)),
        ("null fields[1]", lambda it: it.fields[1].Clear()),
        ("null fields[1].name", lambda it: it.fields[1].ClearField("name")),
        ("null oneofs[0]", lambda it: it.oneofs.__setitem__(0, "")),
        ("drop oneofs[1]", lambda it: it.oneofs.pop(1)),
        ("drop source_context", lambda it: it.ClearField("source_context")),
        ("null source_context.file_name", lambda it: it.source_context.ClearField("file_name")),
    ],
)
def test_a_field_of_a_message_is_changed_and_nothing_else(
    edit: str, change: Callable[[Any], object], loop: bool
) -> None:
    expected = typed()
    change(expected)
    seen, injected = edited(edit, typed(), loop=loop)
    assert seen == expected != typed()
    assert injected == Fault(FaultKind.BODY, edit=edit)


@pytest.mark.parametrize(
    "edit",
    ["retype name", "null none", "null edition", "null fields[2]", "drop fields[0].none",
     "null [0]", "null name.x", "null oneofs.x", "null syntax", 'null fields["0"]',
     "truncate 9999"],
)  # fmt: skip
def test_a_message_without_room_for_an_edit_is_read_as_it_came(edit: str) -> None:
    assert edited(edit, typed()) == (typed(), None)


def test_an_entry_of_a_map_is_named_by_its_key() -> None:
    message = Struct()
    message.update(FIELDS)
    seen, _ = edited("drop fields.nested.struct_value.fields.a", message)
    assert seen["name"] == "users"
    assert dict(seen["nested"]) == {}
    seen, _ = edited("null fields.kind", message)
    assert "kind" not in seen
    assert edited("drop fields.none", message) == (message, None)


@pytest.mark.parametrize("loop", [False, True])
def test_a_message_that_is_cut_off_is_the_library_s_own_error(loop: bool) -> None:
    seen, injected = edited("truncate 3", typed(), loop=loop)
    assert seen.code() is grpc.StatusCode.INTERNAL
    assert seen.details() == "Exception deserializing response!"
    assert injected == Fault(FaultKind.BODY, edit="truncate 3")


@pytest.mark.parametrize("way", WHOLE)
def test_bytes_are_edited_as_a_body_is(way: str) -> None:
    saw = scripted(Fault(FaultKind.BODY, edit="null a"))
    with serving(lambda _, __: b'{"a": 1}') as address:
        assert made(way, address) == b'{"a":null}'
    assert saw[0].injected is not None


@pytest.mark.parametrize("way", ["stream", "awaited stream"])
def test_a_stream_is_not_edited(way: str) -> None:
    saw = scripted(Fault(FaultKind.BODY, edit="null a"))
    with serving(lambda _, __: b'{"a": 1}') as address:
        assert made(way, address) == [b'{"a": 1}']
    assert saw[0].injected is None


def test_what_a_method_s_own_reader_made_is_not_edited() -> None:
    saw = scripted(Fault(FaultKind.BODY, edit="null a"))
    with serving(lambda _, __: b'{"a": 1}') as address, connected(address) as channel:
        call = channel.unary_unary(METHOD, response_deserializer=bytes.decode)
        assert call(REQUEST) == '{"a": 1}'
    assert saw[0].injected is None


def test_nothing_befalls_a_callee_that_nobody_reached() -> None:
    saw = scripted(Fault(FaultKind.BODY, edit="null a"))
    with nobody() as address:
        error: Any = failure(lambda: WAYS["call"][0](address, WAYS["call"][1]))
    assert (error.code(), saw[0].injected) == (grpc.StatusCode.UNAVAILABLE, None)
