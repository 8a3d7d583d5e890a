"""What properties of HTTP servers start from: a view that is served."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar, Final

from baggage.boundary import PROCEED, Kind
from baggage.testing.apps import Recorder, Script, Scripted
from baggage.testing.suite import InstrumentationSuite
from baggage.testing.visitor import Answered, Visitor, visiting
from baggage.values import Direction, key

View = Callable[[], bytes | int | Iterator[bytes]]
"""What the application does for a request: returns a body, a stream, or a status without body."""

DOWN: Final = key("suite.down", direction=Direction.DOWN)
HOME: Final = key("suite.home", direction=Direction.HOME)
FOUND: Final = key("recorder.found", direction=Direction.HOME)
"""One that belongs to a `Recorder`."""


class Server(InstrumentationSuite):
    """An instrumented server of some framework.

    `workers` is how many requests it serves at a time; `tells_address` says whether it can tell the
    port that a request came to.
    """

    workers: ClassVar[int] = 2
    tells_address: ClassVar[bool] = True

    @abstractmethod
    def serving(self, view: View) -> AbstractContextManager[str]:
        """Serve, over real sockets and with keep-alive, an application that calls `view`.

        It does so for each request of any method and path. Yields the address.
        """

    @contextmanager
    def visited(self, view: View) -> Iterator[Visitor]:
        """Serve a view; yield a visitor."""
        with self.serving(view) as url, visiting(url) as visitor:
            yield visitor

    def answered(self, view: View, *args: Any, **kwargs: Any) -> Answered:
        """Serve a view, and ask for it once; arguments are those of `Visitor.ask`."""
        with self.visited(view) as visitor:
            return visitor.ask(*args, **kwargs)

    def recorded(self) -> Recorder:
        """Register a recorder of arrivals."""
        recorder = Recorder(kinds=(Kind.SERVER,))
        self.boundary.register(recorder)
        return recorder

    def scripted(self, first: Script = PROCEED, then: object = None, name: str = "x") -> Scripted:
        """Register a scripted meta-application for arrivals."""
        scripted = Scripted(first, then, kinds=(Kind.SERVER,), name=name)
        self.boundary.register(scripted)
        return scripted
