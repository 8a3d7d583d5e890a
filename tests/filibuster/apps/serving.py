"""Interprets programs, the same for threads and event loops: services first, then the test.

Whatever a service does follows from the request and from what its calls brought. Of an error only
the two policies that say so read the body.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

from metaapps.filibuster.assertions import was_fault_injected, was_fault_injected_on
from tests.filibuster.apps.post import PostError, Reply, Request, Unwell
from tests.filibuster.apps.program import Ask, Fan, Loop, OnlyIf, Program, Step, Test, Try

T = TypeVar("T")
Work = Callable[[], Awaitable[Any]]


class Scope(Protocol):
    """What a service's code uses to call and to branch; where it doesn't await, nothing waits."""

    async def call(self, request: Request, library: str) -> Reply:
        """Call a service."""

    def fork(self, work: Work) -> Work:
        """Start work in a branch of its own; what is returned waits for its result."""


def completed(work: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns that never waits."""
    try:
        work.send(None)
    except StopIteration as ended:
        result: T = ended.value
        return result
    raise RuntimeError("code for a thread awaited something")


async def awaited(work: Callable[[], Awaitable[T]]) -> T:
    """Await some work: whatever can be awaited becomes a coroutine."""
    return await work()


class _Fail(Exception):
    def __init__(self, status: int, body: bytes = b"failed") -> None:
        super().__init__(status)
        self.reply = Reply(status, body)


@dataclass
class Memory:
    """One invocation's variables."""

    payload: bytes
    values: list[bytes] = field(default_factory=list)
    failures: int = 0

    def copy(self) -> Memory:
        return Memory(self.payload, [*self.values], self.failures)


@dataclass(frozen=True)
class _Failed:
    """How a call failed: the name of an exception or a status, and what the error said."""

    how: str
    status: int = 0
    body: bytes = b""


async def serve(scope: Scope, program: Program, request: Request) -> Reply:
    """Answer a request, as the program says."""
    memory = Memory(request.body)
    try:
        for step in program.steps:
            await _take(scope, step, memory)
    except _Fail as failed:
        return failed.reply
    except PostError:
        return Reply(500, b"crashed")
    if program.trap and memory.failures >= program.trap:
        return Reply(program.trap_status, b"trapped")
    return Reply(200, _answer(program, memory))


def _answer(program: Program, memory: Memory) -> bytes:
    if program.answer == "all":
        return program.name.encode() + b"(" + b",".join(memory.values) + b")"
    if program.answer == "count":
        return b"%d" % memory.failures
    if program.answer == "echo":
        return memory.payload + b"".join(memory.values[:1])
    return b"done"


async def _take(scope: Scope, step: Step, memory: Memory) -> None:
    if isinstance(step, Try):
        await _try(scope, step, memory)
    elif isinstance(step, Loop):
        for _ in range(step.times or len(memory.values)):
            await _take(scope, step.step, memory)
    elif isinstance(step, Fan):
        await _fan(scope, step, memory)
    elif isinstance(step, OnlyIf):
        if _holds(step.condition, memory):
            await _take(scope, step.step, memory)
    elif _holds(step.when, memory):
        raise _Fail(step.status, b"rejected")


def _holds(condition: str, memory: Memory) -> bool:
    if condition == "degraded":
        return any(b"default" in value for value in memory.values)
    if condition == "all degraded":
        return all(b"default" in value for value in memory.values)
    if condition == "short":
        return not memory.values
    return (memory.failures > 0) is (condition == "failed")


async def _fan(scope: Scope, fan: Fan, memory: Memory) -> None:
    """Each branch knows what was known before; all are waited for, whatever becomes of one."""
    before = len(memory.values), memory.failures
    copies = [memory.copy() for _ in fan.steps]
    joins = [
        scope.fork(partial(_settled, scope, step, copy))
        for step, copy in zip(fan.steps, copies, strict=True)
    ]
    mine = await _all_settled(scope, fan.meanwhile, memory)
    ended = [*[await join() for join in joins], mine]
    for copy in copies:
        memory.values += copy.values[before[0] :]
        memory.failures += copy.failures - before[1]
    for error in ended:
        if error is not None:
            raise error


async def _settled(scope: Scope, step: Step, memory: Memory) -> Exception | None:
    return await _all_settled(scope, (step,), memory)


async def _all_settled(scope: Scope, steps: tuple[Step, ...], memory: Memory) -> Exception | None:
    try:
        for step in steps:
            await _take(scope, step, memory)
    except (_Fail, PostError) as error:
        return error
    return None


async def _try(scope: Scope, step: Try, memory: Memory) -> None:
    payload = _payload(step.ask, memory)
    failed: _Failed | None = None
    for _ in range(step.retries + 1):
        got = await _attempt(scope, step.ask, payload)
        if isinstance(got, bytes):
            memory.values.append(got)
            return
        failed = got
    memory.failures += 1
    assert failed is not None
    await _deal(scope, step, memory, failed)


async def _attempt(scope: Scope, ask: Ask, payload: bytes) -> bytes | _Failed:
    request = Request(ask.target, ask.operation, payload, ask.timeout, ask.place)
    try:
        reply = await scope.call(request, ask.library)
    except Unwell as error:
        return _Failed(f"unwell {error.reply.status}", error.reply.status, error.reply.body)
    except PostError as error:
        return _Failed(type(error).__name__)
    return reply.body if reply.ok else _Failed(str(reply.status), reply.status, reply.body)


async def _deal(scope: Scope, step: Try, memory: Memory, failed: _Failed) -> None:
    policy = step.policy
    if policy == "elsewhere":
        await _elsewhere(scope, step, memory)
    elif policy == "degrade" or (policy == "by kind" and not failed.status):
        memory.values.append(b"default")
    elif policy == "by body" and failed.body == b"trapped":
        memory.values.append(b"default trapped")
    elif policy in ("propagate", "by kind", "by body"):
        raise _Fail(503)
    elif policy == "translate":
        raise _Fail(404 if failed.status == 503 else 502)
    elif policy == "relay":
        raise _Fail(failed.status or 504, failed.body)
    elif policy == "crash":
        raise PostError(failed.how)


async def _elsewhere(scope: Scope, step: Try, memory: Memory) -> None:
    for ask in step.fallbacks:
        got = await _attempt(scope, ask, b"instead")
        if isinstance(got, bytes):
            memory.values.append(got)
            return
        memory.failures += 1
    memory.values.append(b"none")


def _payload(ask: Ask, memory: Memory) -> bytes:
    if ask.payload == "request":
        return memory.payload
    if ask.payload == "last":
        return memory.values[-1] if memory.values else b""
    if ask.payload == "failures":
        return b"%d" % memory.failures
    return ask.payload.encode()


Answers = tuple[bytes | _Failed, ...]


async def run(scope: Scope, test: Test) -> Answers:
    """Make the test's calls; return what they brought."""
    works = [partial(_attempt, scope, ask, ask.payload.encode()) for ask in test.asks]
    if test.together:
        joins = [scope.fork(work) for work in works]
        return tuple([await join() for join in joins])
    return tuple([await work() for work in works])


def check(test: Test, answers: Answers, expected: Answers) -> None:
    """Raise AssertionError where the test isn't satisfied."""
    for got, wanted in zip(answers, expected, strict=True):
        _check(test, got, wanted)


def _check(test: Test, got: bytes | _Failed, wanted: bytes | _Failed) -> None:
    how = got.how if isinstance(got, _Failed) else "200"
    if test.check == "never 500":
        assert how != "500", how
    elif test.check == "never 418":
        assert how != "418", how
        assert got != b"trapped", "200 trapped"
    elif test.check == "never trapped":
        said = got.body if isinstance(got, _Failed) else got
        assert said != b"trapped", f"{how} trapped"
    elif test.check == "says why":
        assert isinstance(got, bytes) or got.body, f"{how} without a word"
    elif test.check == "exact":
        assert isinstance(got, _Failed) or got == wanted, f"{got!r}"
    elif got != wanted:
        excused = was_fault_injected_on(test.asked) if test.asked else was_fault_injected()
        assert excused, f"{how} without a fault"
        assert how in ("200", "503"), f"{how} under a fault"
