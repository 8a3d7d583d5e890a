"""Letters: messages that cross processes, as far as bytes can carry them.

What is put in the envelope is an `Errand`. A message within one process is in `message`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from baggage.boundary.adapter import Adapter
from baggage.boundary.call import Kind
from baggage.boundary.dispatch import Errand
from baggage.boundary.message import Message
from baggage.boundary.request import name_request, request_of
from baggage.context import Branch, branch

if TYPE_CHECKING:
    from baggage.boundary.driver import Boundary


class Letter(Message):
    """A message that leaves by `send` and `errand`, or that `arrived` and is taken here.

    Nothing comes back: `home` values of a consumer elsewhere go to their owners.
    """

    def errand(self) -> Errand:
        """Return what goes along with the item. Ask while it's sent, once."""
        sent = self._branch()
        if self._parent is not None:
            self._parent.family.forget(sent)
        name_request(sent, b"" if self._parent is None else request_of(self._parent))
        errand = Errand.of(sent, self._boundary, self.call)
        return replace(errand, delay=self.left) if self.left else errand

    @classmethod
    def arrived(cls, boundary: Boundary, adapter: Adapter, request: Any, errand: Errand) -> Self:
        """Return the letter that an errand came with, to be taken by whoever is here."""
        call = None
        if boundary.interested(Kind.CONSUMER, adapter.library):
            with boundary.isolated():
                call = adapter.describe(request).placed(errand.service, "", errand.site)
        letter = cls(boundary, adapter, request, call)
        letter._parent = None
        letter.delay_by(errand.delay)
        running = branch()
        akin = running is not None and not running.muted and request_of(running) == errand.request
        scope = running.scope if running is not None and akin else None
        sent = Branch(errand.read(), errand.service, scope=scope)
        if scope is None:
            name_request(sent, errand.request)
        letter._sent.append(sent)
        return letter
