"""The composition root."""

from baggage.runtime.api import PROCESS, instrument, register, uninstrument, unregister
from baggage.runtime.envelope import Envelope, enclose, opened
from baggage.runtime.runtime import Runtime, UnknownLibrary
from baggage.runtime.serving import asgi
from baggage.runtime.settings import Settings

__all__ = [
    "PROCESS",
    "Envelope",
    "Runtime",
    "Settings",
    "UnknownLibrary",
    "asgi",
    "enclose",
    "instrument",
    "opened",
    "register",
    "uninstrument",
    "unregister",
]
