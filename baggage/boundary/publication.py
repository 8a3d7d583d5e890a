"""Publishing: messages that leave by a broker, in headers of their own.

A broker may lose a message, deliver it twice, to another process or to several, so no right to
write goes along, and nothing comes back by itself. Whoever takes it there is in `delivery`; what
travels within one process, or in an envelope that pickles, is in `message` and `letter`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Self

from baggage.boundary import transport
from baggage.boundary.adapter import Adapter, CannotEnact, Carrier
from baggage.boundary.call import Call
from baggage.boundary.message import Message
from baggage.boundary.metaapp import Proceed
from baggage.boundary.onion import Onion
from baggage.boundary.outcome import Fault
from baggage.boundary.request import request_of
from baggage.boundary.value import value
from baggage.values import EMPTY

if TYPE_CHECKING:
    from baggage.boundary.driver import Boundary

LONGEST_DELAY: Final = 60.0
"""Seconds that a message can have its consumer wait, at most: it may come from a stranger."""
_REQUEST_BYTES: Final = 8


class Publication(Message):
    """A message to a broker: `send` it.

    What the producer knows is put on what `Adapter.request_carrier` returns. `again` of `send`
    publishes the same once more, as its headers are by then.
    """

    def __init__(
        self, boundary: Boundary, adapter: Adapter, request: Any, call: Call | None
    ) -> None:
        """Prepare; nothing is published yet."""
        super().__init__(boundary, adapter, request, call and call.by_broker())

    def slow(self, onion: Onion, call: Call, fault: Fault) -> None:
        """Have whoever takes the message wait for it, a minute at most."""
        if (fault.seconds or 0.0) > LONGEST_DELAY:
            raise CannotEnact(f"no message is delayed by more than {LONGEST_DELAY:.0f} s")
        super().slow(onion, call, fault)

    def proceed(self, directive: Proceed) -> None:
        """Put baggage and foreign headers on the message."""
        carrier = self._adapter.request_carrier(self._request)
        if carrier is None:
            return
        for name, text in directive.headers.items():
            carrier.set(name, text)
        parent, down, boundary = self._parent, directive.down, self._boundary
        if not boundary.may_receive(self._adapter, self._request, self.call):
            return
        if parent is None:
            carried, source, request = EMPTY.lowered(down), "", b""
        else:
            carried, source = parent.baggage.departing().lowered(down), parent.service
            request = request_of(parent)
        policy = self.policy or boundary.policy
        origin = source or policy.service
        transport.write(carrier, carried, origin=origin, budget=policy.budget)
        Note(request, self.left).write(carrier)

    def _repeat(self, again: Callable[[], object]) -> None:
        """Publish once more, if a flow wants that."""
        self._again = None  # It may know the connection that this goes by.
        if self._repeated:
            self._do_again(again)


@value
class Note:
    """What a message says of itself: the request that it's a part of, and how late it is to come.

    `request` is a name of 8 bytes, b"" for none; `delay` is in seconds.
    """

    request: bytes = b""
    delay: float = 0.0

    HEADER = "baggage-message"

    @classmethod
    def read(cls, carrier: Carrier | None) -> Self:
        """Return the note that came with a message; what is no note says nothing."""
        header = None if carrier is None else carrier.get(cls.HEADER)
        if not header:
            return cls()
        request, delay = b"", 0.0
        for part in header[:64].split(";"):
            name, _, value = part.partition("=")
            try:
                if name == "request" and len(value) == 2 * _REQUEST_BYTES:
                    request = bytes.fromhex(value)
                elif name == "delay" and value.isascii() and value.isdigit():
                    delay = min(int(value[:9]) / 1000, LONGEST_DELAY)
            except ValueError:
                continue
        return cls(request, delay)

    def write(self, carrier: Carrier) -> None:
        """Put the note on a message, if it says anything."""
        parts = [f"request={self.request.hex()}"] if self.request else []
        if self.delay:
            parts.append(f"delay={self.delay * 1000:.0f}")
        if parts:
            carrier.set(self.HEADER, ";".join(parts))
