"""The context that handlers of the event loop's library get: the library's, watched.

To abort a call sends its end at once: what goes home has to be there by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import wrapt

from baggage.boundary import Arrival, Outcome
from baggage.instrumentation._grpc.metadata import Items, Metadata
from baggage.instrumentation._grpc.server import Replied, aborted, answer_of, failed
from baggage.instrumentation._grpc.status import Status

if TYPE_CHECKING:
    _ObjectProxy = wrapt.ObjectProxy[Any]
else:  # before 2.0 it takes no parameter
    _ObjectProxy = wrapt.ObjectProxy


class _Context(_ObjectProxy):
    """What both contexts have in common. Attributes of its own begin with `_self_`."""

    def __init__(self, context: Any, arrival: Arrival) -> None:
        """Watch a context of the library's on behalf of an arrival."""
        super().__init__(context)
        self._self_arrival = arrival
        self._self_code: Any = None
        self._self_trailing: Items = ()
        self._self_over = False

    @property
    def told_code(self) -> Any:
        """The status code that the application set, None without one."""
        return self._self_code

    def set_code(self, code: Any) -> None:
        """Do as the library's, and remember."""
        self.__wrapped__.set_code(code)
        self._self_code = code

    def set_trailing_metadata(self, metadata: Any) -> None:
        """Do as the library's, and remember."""
        self.__wrapped__.set_trailing_metadata(metadata)
        self._self_trailing = tuple(metadata)

    def failing(self, error: BaseException) -> Outcome:
        """Return the outcome of what the application raised."""
        return failed(self._self_arrival, error, self._self_code)

    def told(self, outcome: Outcome) -> Outcome:
        """Tell the flows of the outcome, and send home what goes there."""
        self._self_over = True
        outcome = self._self_arrival.end(outcome)
        self._self_arrival.respond(Metadata(self._self_trailing, self.set_trailing_metadata))
        return outcome

    def ending(self, code: Any, details: str, trailing: Any) -> tuple[Any, ...]:
        """Return what to abort with, where the application wants to."""
        if self._self_over:
            return (code, details, *((trailing,) if trailing else ()))
        if trailing:
            self._self_trailing = tuple(trailing)
        told = self.told(self._self_arrival.answered(Replied(None, code)))
        status = aborted(told) or Status(code, details)
        metadata = self._self_trailing
        return (status.code, status.details, *((metadata,) if metadata else ()))


class AsyncContext(_Context):
    """The context of coroutines."""

    async def abort(self, code: Any, details: str = "", trailing_metadata: Any = ()) -> None:
        """Do as the library's."""
        await self.__wrapped__.abort(*self.ending(code, details, trailing_metadata))

    async def abort_with_status(self, status: Any) -> None:
        """Do as the library's."""
        await self.abort(status.code, status.details, status.trailing_metadata)

    async def finish(self, outcome: Outcome) -> Any:
        """Answer with an outcome; where the application aborted, the flows were told of that."""
        if self._self_over:
            return answer_of(outcome)
        told = self.told(outcome)
        status = aborted(told)
        if status is not None:
            await self.__wrapped__.abort(status.code, status.details)
        return answer_of(told)


class BlockingContext(_Context):
    """The context of functions, which run in threads."""

    def abort(self, code: Any, details: str = "", trailing_metadata: Any = ()) -> None:
        """Do as the library's."""
        self.__wrapped__.abort(*self.ending(code, details, trailing_metadata))

    def finish(self, outcome: Outcome) -> Any:
        """Do as `AsyncContext.finish`."""
        if self._self_over:
            return answer_of(outcome)
        told = self.told(outcome)
        status = aborted(told)
        if status is not None:
            self.__wrapped__.abort(status.code, status.details)
        return answer_of(told)
