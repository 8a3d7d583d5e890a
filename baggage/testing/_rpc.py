"""What properties of RPC libraries start from: a service, how it is served, and how it's called."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import pytest

from baggage.boundary import PROCEED, Fault, FaultKind, Interest, Kind
from baggage.testing.apps import Recorder, Script, Scripted
from baggage.testing.suite import InstrumentationSuite
from baggage.values import Direction, key

Metadata = Sequence[tuple[str, Any]]
Answer = Callable[[bytes, Metadata], bytes]
"""What a callee does with a request and the metadata that came with it."""
Answers = Callable[[bytes, Metadata], Iterator[bytes]]
Call = Callable[[bytes], Any]
"""Makes one call; returns the answer, or raises what the library raises."""
Stream = Callable[[bytes], Iterator[bytes]]

DOWN: Final = key("suite.down", direction=Direction.DOWN)
HOME: Final = key("suite.home", direction=Direction.HOME)
FOUND: Final = key("recorder.found", direction=Direction.HOME)


class Refused(Exception):
    """What a callee of the suite raises to have its call end with a status."""

    def __init__(self, code: int, details: str) -> None:
        """Keep the number of the code, and words that go with it."""
        super().__init__(code, details)
        self.code, self.details = code, details


@dataclass(slots=True)
class Service:
    """A callee: `answer` serves calls with one answer, `answers` those with a stream.

    Both run where the library runs its handlers, and may be replaced at any time. An exception that
    is no `Refused` is the callee's own mistake.
    """

    answer: Answer = lambda request, _: request
    answers: Answers = lambda request, _: iter((request, request))


class Rpc(InstrumentationSuite):
    """Inherit, and say how calls are served and made. See `baggage.testing` for an example.

    `faults` are those that the library can enact, each with the code that a caller then sees.
    `refusal` is the code that a callee refuses with.
    """

    faults: ClassVar[Iterable[tuple[Fault, int]]] = (
        (Fault(FaultKind.REFUSED), 14),
        (Fault(FaultKind.TIMEOUT), 4),
        (Fault(FaultKind.RESET), 14),
        (Fault(FaultKind.STATUS, status=5, body=b"gone"), 5),
    )
    refusal: ClassVar[int] = 9
    failure: ClassVar[int] = 2

    service: Service
    address: str
    resources: ExitStack

    @abstractmethod
    def serving(self, service: Service) -> AbstractContextManager[str]:
        """Serve `service` in this process while a block runs; yield its address.

        `Refused` ends a call with its code and details. A library of an event loop runs what
        `service` does in threads that share the handler's context: it may block.
        """

    @abstractmethod
    def calling(self, address: str, metadata: Metadata = ()) -> Call:
        """Return what calls `answer` at an address, with this metadata of the application's.

        What is to be closed goes to `self.resources`. With a library of an event loop the function
        runs a loop.
        """

    @abstractmethod
    def streaming(self, address: str) -> Stream:
        """Return what calls `answers` at an address; to close its iterator cancels the call."""

    @abstractmethod
    def code(self, error: BaseException) -> int:
        """Return the code of an exception that a call raised."""

    @pytest.fixture(autouse=True)
    def _served(self, _clean: None) -> Iterator[None]:
        self.service = Service()
        with ExitStack() as self.resources, self.serving(self.service) as self.address:
            yield

    def call(self, answer: Answer | None = None, request: bytes = b"request") -> Any:
        """Make one call of a callee that answers so."""
        if answer is not None:
            self.service.answer = answer
        return self.calling(self.address)(request)

    def does(self, work: Callable[[], object]) -> Answer:
        """Return what does some work, and answers with the request."""

        def answer(request: bytes, _: Metadata) -> bytes:
            work()
            return request

        return answer

    def refuses(
        self, work: Callable[[], object] = lambda: None, details: str = "not like this"
    ) -> Answer:
        """Return what does some work, and refuses."""

        def answer(_: bytes, __: Metadata) -> bytes:
            work()
            raise Refused(self.refusal, details)

        return answer

    def recorded(self, *kinds: Kind) -> Recorder:
        """Register a recorder of crossings of these kinds: of calls, if none is named."""
        recorder = Recorder(kinds=kinds or (Kind.CLIENT,))
        self.boundary.register(recorder)
        return recorder

    def scripted(
        self,
        first: Script = PROCEED,
        then: object = None,
        name: str = "x",
        kind: Kind = Kind.CLIENT,
    ) -> Scripted:
        """Register a scripted meta-application."""
        scripted = Scripted(first, then, kinds=(kind,), name=name, asks=Interest.AROUND)
        self.boundary.register(scripted)
        return scripted
