"""Random applications, made from a seed: small programs of calls, fallbacks, retries and branches.

Services are stateless and deterministic; of a failed call they see only how it failed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from random import Random

from tests.filibuster.synthetic import Application, Broken, Reply, Scope, Service, Test

POLICIES = ("propagate", "translate", "degrade", "ignore", "crash", "by kind", "elsewhere")


@dataclass(frozen=True)
class Invoke:
    """Call `target`, `times` over, each with `retries` more attempts, and deal with a failure."""

    target: str
    policy: str
    fallback: str
    payload: str
    times: int = 1
    retries: int = 0
    timeout: float | None = 1.0
    branched: bool = False


@dataclass(frozen=True)
class Program:
    """A service: calls in order, then an answer; `trap` failures together are its bug."""

    name: str
    steps: tuple[Invoke, ...]
    answer: str
    trap: int
    trap_status: int


class _Fail(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass
class _Frame:
    """One invocation's variables."""

    payload: bytes
    values: list[bytes]
    failures: int = 0


def serve(program: Program) -> Service:
    def service(scope: Scope, operation: str, payload: bytes) -> Reply:
        frame = _Frame(payload, [])
        try:
            for step in program.steps:
                for _ in range(step.times):
                    if step.branched:
                        scope.branch(partial(_invoke, step=step, frame=frame))
                    else:
                        _invoke(scope, step, frame)
        except _Fail as error:
            return Reply(error.status)
        if program.trap and frame.failures >= program.trap:
            return Reply(program.trap_status, b"trapped")
        return Reply(200, _body(program, frame))

    return service


def _body(program: Program, frame: _Frame) -> bytes:
    if program.answer == "all":
        return program.name.encode() + b"(" + b",".join(frame.values) + b")"
    if program.answer == "count":
        return b"%d" % frame.failures
    if program.answer == "echo":
        return frame.payload + b"".join(frame.values[:1])
    return b"done"


def _payload(step: Invoke, frame: _Frame) -> bytes:
    if step.payload == "request":
        return frame.payload
    if step.payload == "last":
        return frame.values[-1] if frame.values else b""
    if step.payload == "failures":
        return b"%d" % frame.failures
    return step.payload.encode()


def _invoke(scope: Scope, step: Invoke, frame: _Frame) -> None:
    payload = _payload(step, frame)
    reply, how = Reply(500), ""
    for _ in range(step.retries + 1):
        reply, how = _attempt(scope, step.target, payload, step.timeout)
        if not how:
            frame.values.append(reply.body)
            return
    frame.failures += 1
    _deal(scope, step, frame, how)


def _attempt(scope: Scope, target: str, payload: bytes, timeout: float | None) -> tuple[Reply, str]:
    try:
        reply = scope.call(target, f"GET /{target}", payload, timeout)
    except Broken as error:
        return Reply(500), str(error)
    return reply, "" if reply.ok else str(reply.status)


def _deal(scope: Scope, step: Invoke, frame: _Frame, how: str) -> None:
    if step.policy == "propagate" or (step.policy == "by kind" and how.isdigit()):
        raise _Fail(503)
    if step.policy == "translate":
        raise _Fail(404 if how == "503" else 502)
    if step.policy == "crash":
        raise Broken(how)
    if step.policy == "elsewhere":
        reply, failed = _attempt(scope, step.fallback, b"instead", step.timeout)
        frame.values.append(b"none" if failed else reply.body)
    elif step.policy in ("degrade", "by kind"):
        frame.values.append(b"default")


def random_application(seed: int) -> Application:
    """Return the application of a seed: 2 to 5 services, at most 3 calls deep."""
    random = Random(seed)
    names = [f"s{number}" for number in range(random.randint(2, 5))]
    layer = {name: min(3, 1 + number * 3 // len(names)) for number, name in enumerate(names)}
    programs = {}
    for name in names:
        below = [other for other in names if layer[other] > layer[name]]
        steps = tuple(
            _random_step(random, below) for _ in range(random.choice([1, 1, 2, 2, 3])) if below
        )
        programs[name] = Program(
            name,
            steps,
            random.choice(["all", "all", "count", "echo", "constant"]),
            random.choice([0, 0, 1, 2, 2, 3]),
            random.choice([200, 500, 500, 418]),
        )
    top = [name for name in names if layer[name] == 1]
    return Application(
        {name: serve(program) for name, program in programs.items()}, _random_test(random, top)
    )


def _random_step(random: Random, below: list[str]) -> Invoke:
    return Invoke(
        random.choice(below),
        random.choice(POLICIES),
        random.choice(below),
        random.choice(["fixed", "fixed", "request", "last", "failures"]),
        times=random.choice([1, 1, 1, 1, 2]),
        retries=random.choice([0, 0, 0, 0, 1]),
        timeout=random.choice([1.0, None]),
        branched=random.random() < 0.25,
    )


def _random_test(random: Random, top: list[str]) -> Test:
    count = random.choice([1, 1, 2])
    calls = [(random.choice(top), b"%d" % random.randint(0, 1)) for _ in range(count)]
    check = random.choice(["never 500", "never 418", "excused", "excused by service", "exact"])
    asked = random.choice(["s0", "s1"])
    expected: list[bytes] = []

    def test(scope: Scope) -> None:
        for number, (target, payload) in enumerate(calls):
            reply = scope.call(target, f"GET /{target}", payload, function="test")
            if len(expected) <= number:
                expected.append(reply.body)  # the fault-free execution comes first
            _check(scope, check, asked, reply, expected[number])

    return test


def _check(scope: Scope, check: str, asked: str, reply: Reply, expected: bytes) -> None:
    if check == "never 500":
        assert reply.status != 500, f"{reply.status}"
    elif check == "never 418":
        trapped = reply.status == 418 or (reply.ok and reply.body == b"trapped")
        assert not trapped, f"{reply.status} trapped"
    elif check == "exact":
        assert not reply.ok or reply.body == expected, f"{reply.body!r}"
    elif not reply.ok or reply.body != expected:
        excused = scope.ask("" if check == "excused" else asked)
        assert excused, f"{reply.status} without a fault"
        assert reply.status in (200, 503), f"{reply.status} under a fault"
