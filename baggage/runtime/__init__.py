"""The composition root."""

from baggage.runtime.api import (
    PROCESS,
    audit,
    instrument,
    keep,
    register,
    request_scope,
    split,
    stepwise,
    uninstrument,
    unregister,
)
from baggage.runtime.branching import Kept
from baggage.runtime.envelope import Envelope, enclose, opened
from baggage.runtime.messaging import consuming, publishing
from baggage.runtime.runtime import Runtime, UnknownLibrary
from baggage.runtime.serving import asgi, wsgi
from baggage.runtime.settings import Settings

__all__ = [
    "PROCESS",
    "Envelope",
    "Kept",
    "Runtime",
    "Settings",
    "UnknownLibrary",
    "asgi",
    "audit",
    "consuming",
    "enclose",
    "instrument",
    "keep",
    "opened",
    "publishing",
    "register",
    "request_scope",
    "split",
    "stepwise",
    "uninstrument",
    "unregister",
    "wsgi",
]
