"""An application deployed in this process: each service has its own boundary, headers go between.

Orders are signed and travel in the baggage; observations come home in it, and what finds no room
goes to a coordinator on loopback. Any number of executions may run at once.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context
from threading import Thread
from typing import Any, Final

import pytest

from baggage.boundary import Boundary, Fork, Policy, collect, read_header, write_header
from baggage.context import attached
from baggage.instrumentation._forking import ForkAdapter
from baggage.values import EMPTY
from metaapps.filibuster.app import Filibuster
from metaapps.filibuster.coordinator import Coordinator, Inbox
from metaapps.filibuster.index import TEST
from metaapps.filibuster.lineage import ROOT
from metaapps.filibuster.observation import EVENTS, Execution, Failure, open_branches
from metaapps.filibuster.orders import LINEAGE, ORDERS, SEEN, Orders
from metaapps.filibuster.plan import FAULT_FREE, Plan
from metaapps.filibuster.wire import decode_observations, encode_lineage, encode_orders
from tests.filibuster.apps import serving
from tests.filibuster.apps.post import CLIENTS, SERVER, Reply, Request, checked
from tests.filibuster.apps.program import Application, Program
from tests.filibuster.apps.serving import Work, completed

KEY: Final = b"the key of all made-up applications"
_LATER: Final = 3600
_SETTLE_WITHIN: Final = 5.0
_THREADS = ForkAdapter("threading", "Thread.start", frozenset({"threading"}))
_TASKS = ForkAdapter("asyncio", "create_task", frozenset({"asyncio"}))


@contextmanager
def coordinated() -> Iterator[Coordinator]:
    """Run a coordinator for networks in this process, which is a functional test's from here on."""
    with pytest.MonkeyPatch.context() as patch, Coordinator(KEY) as running:
        patch.setenv("FILIBUSTER_KEY", KEY.decode())
        yield running


class Network:
    """An application that runs, and its functional test. Safe in any thread."""

    def __init__(
        self,
        application: Application,
        coordinator: Coordinator | None = None,
        *,
        budget: int = 4096,
    ) -> None:
        """Deploy. Without a coordinator, all that is seen has to find room in `budget` bytes."""
        self.application = application
        self._coordinator = coordinator
        self._boundaries = {
            name: _boundary(name, Filibuster((KEY,)), budget) for name in application.programs
        }
        self._test = _boundary(TEST, Filibuster((KEY,), by_test=True), budget)
        self.runs = 0
        self._expected = self._drive()

    def run(self, plan: Plan = FAULT_FREE) -> Execution:
        """Run the functional test once under a plan."""
        self.runs += 1
        execution = secrets.token_hex(8)
        inbox = Inbox() if self._coordinator is None else self._coordinator.open(execution)
        failure = None
        header = self._header(execution, plan)
        with attached(read_header(header)) as branch:
            try:
                serving.check(self.application.test, self._drive(), self._expected)
            except AssertionError as error:
                # One line: pytest adds others to the assertions of its own modules.
                failure = Failure(f"AssertionError: {str(error).partition(chr(10))[0]}")
            collect(branch)
            inbox.put(decode_observations(branch.unpack(SEEN)))
        heard = inbox.settle(_SETTLE_WITHIN)
        if self._coordinator is not None:
            self._coordinator.close(execution)
        seen = tuple(one for one in heard if one.role in EVENTS)
        return Execution(plan, seen, failure, unfinished=open_branches(heard), lost=inbox.lost)

    def _header(self, execution: str, plan: Plan) -> str:
        at = "" if self._coordinator is None else self._coordinator.address
        orders = Orders(execution, plan, int(time.time()) + _LATER, at)
        down = {ORDERS: encode_orders(orders, KEY), LINEAGE: encode_lineage(ROOT)}
        return write_header(EMPTY.with_down(down))

    def _drive(self) -> serving.Answers:
        """Make the test's calls, in a context where nothing else is current."""
        test = self.application.test
        if test.awaits:
            return asyncio.run(serving.run(_Awaiting(self, self._test), test))
        return completed(serving.run(_Waiting(self, self._test), test))

    def serve(self, request: Request) -> Reply:
        """Serve a request in this thread, in a context of its own."""
        program, boundary = self._found(request)
        scope = _Waiting(self, boundary)

        def handle() -> Reply:
            return completed(serving.serve(scope, program, request))

        return Context().run(boundary.serve, SERVER, request, handle)

    async def aserve(self, request: Request) -> Reply:
        """Serve a request in a task of its own; programs that don't await are served here."""
        program, boundary = self._found(request)
        if not program.awaits:
            return self.serve(request)
        serving_it = self._arrive(boundary, program, request)
        return await asyncio.create_task(serving_it, context=Context())

    async def _arrive(self, boundary: Boundary, program: Program, request: Request) -> Reply:
        arrival = boundary.arrive(SERVER, request)
        assert arrival is not None
        try:
            with arrival.scope():
                assert arrival.begin() is None
                reply = await serving.serve(_Awaiting(self, boundary), program, request)
                arrival.end(arrival.answered(reply))
                arrival.respond(reply.headers)
                return reply
        finally:
            arrival.close()

    def _found(self, request: Request) -> tuple[Program, Boundary]:
        return self.application.programs[request.target], self._boundaries[request.target]


def _boundary(service: str, app: Filibuster, budget: int) -> Boundary:
    return Boundary(Policy(service=service, strict=True, budget=budget), (app,))


class _Waiting:
    """Calls and branches of code that runs in threads."""

    def __init__(self, network: Network, boundary: Boundary) -> None:
        self._network, self._boundary = network, boundary

    async def call(self, request: Request, library: str) -> Reply:
        def send() -> Reply:
            return checked(library, self._network.serve(request))

        reply: Reply = self._boundary.call(CLIENTS[library], request, send)
        return reply

    def fork(self, work: Work) -> Work:
        fork = _forked(self._boundary, _THREADS)
        ended: list[Any] = []

        def body() -> None:
            ended.append(completed(serving.awaited(work)))

        thread = Thread(target=fork.run, args=(body,), daemon=True)
        fork.start(thread.start)

        async def join() -> Any:
            thread.join()
            fork.join()
            return ended[0]

        return join


class _Awaiting:
    """Calls and branches of code that runs in an event loop."""

    def __init__(self, network: Network, boundary: Boundary) -> None:
        self._network, self._boundary = network, boundary

    async def call(self, request: Request, library: str) -> Reply:
        async def send() -> Reply:
            await asyncio.sleep(0)  # so that others come between
            return checked(library, await self._network.aserve(request))

        reply: Reply = await self._boundary.acall(CLIENTS[library], request, send)
        return reply

    def fork(self, work: Work) -> Work:
        fork = _forked(self._boundary, _TASKS)
        task = fork.start(lambda: asyncio.create_task(fork.arun(serving.awaited(work))))

        async def join() -> Any:
            try:
                return await task
            finally:
                fork.join()

        return join


def _forked(boundary: Boundary, adapter: ForkAdapter) -> Fork:
    fork = boundary.fork(adapter, None)
    assert fork is not None
    return fork
