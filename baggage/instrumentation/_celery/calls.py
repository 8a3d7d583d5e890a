"""What is told of tasks, as they are sent and as they are run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from celery import Celery
from celery.app.task import Context
from celery.utils.saferepr import saferepr
from kombu import connection
from kombu.utils import json

from baggage.boundary import Call, Endpoint, Fault, Kind, Tellers
from baggage.instrumentation._broker_adapter import BrokerAdapter
from baggage.instrumentation._celery.faults import enact
from baggage.instrumentation._celery.messages import LIBRARY, Sending, Taken
from baggage.instrumentation._http import digest

# They ship half of their types.
_Connection: Final[Any] = connection.Connection
_json: Final[Any] = json


_HOUSEKEEPING: Final = frozenset({"celery.backend_cleanup", "celery.chord_unlock"})


def is_own(name: str) -> bool:
    """Say whether a task is one of Celery's own: it is carried along, and nobody is told of it."""
    return name in _HOUSEKEEPING


@lru_cache(maxsize=64)
def _told(url: str) -> tuple[Endpoint, str]:
    """Return where a broker is, and the name of its transport."""
    told = _Connection(url).info()
    return Endpoint(str(told["hostname"] or ""), int(told["port"] or 0)), str(told["transport"])


def _broker(app: Celery, url: object) -> tuple[Endpoint, str]:
    url = url or app.conf.broker_url
    if isinstance(url, list | tuple):
        url = url[0]
    return _told(str(url or "amqp://"))


def sent_to(app: Celery) -> Endpoint:
    return _broker(app, app.conf.broker_write_url)[0]


def _taken_from(app: Celery) -> tuple[Endpoint, str]:
    return _broker(app, app.conf.broker_read_url)


def _arguments(args: Any, kwargs: Any) -> Mapping[str, object]:
    return {"args": saferepr(tuple(args or ())), "kwargs": saferepr(dict(kwargs or {}))}


def _payload(args: Any, kwargs: Any) -> bytes:
    """Return a digest of what a task is called with; raises TypeError for what JSON can't say."""
    said: str = _json.dumps([list(args or ()), dict(kwargs or {})], sort_keys=True)
    return digest(said.encode())


def _delivered(taken: Taken) -> int:
    """Return how often a message came; where a broker says but that it came before, that's 2."""
    counted = taken.request.get("x-delivery-count")  # by RabbitMQ's quorum queues
    if isinstance(counted, int):
        return counted + 1
    if (taken.request.get("delivery_info") or {}).get("redelivered"):
        return 2
    return 1 if _taken_from(taken.app)[1] in _COUNTING else 0


_COUNTING: Final = frozenset({"amqp", "amqps", "pyamqp", "redis", "rediss", "sentinel"})
"""Transports that say of a message whether it came before."""
_OWN: Final = frozenset({*vars(Context), "lang", "task", "argsrepr", "kwargsrepr"})


def _arrived(taken: Taken) -> Mapping[str, str]:
    """Return the headers that are not Celery's own."""
    headers = taken.request.get("headers")
    given = {**(headers if isinstance(headers, Mapping) else {}), **taken.request}
    told = ((name, value) for name, value in given.items() if name not in _OWN)
    return {str(name).lower(): value for name, value in told if isinstance(value, str)}


_SENT: Final[Tellers] = {
    "method": lambda _: "apply_async",
    "arguments": lambda asked: _arguments(asked.told.get("args"), asked.told.get("kwargs")),
    "endpoint": lambda asked: sent_to(asked.app),
    "payload": lambda asked: _payload(asked.told.get("args"), asked.told.get("kwargs")),
}
_TAKEN: Final[Tellers] = {
    "method": lambda _: "process",
    "arguments": lambda taken: _arguments(taken.args, taken.kwargs),
    "endpoint": lambda taken: _taken_from(taken.app)[0],
    "payload": lambda taken: _payload(taken.args, taken.kwargs),
    "arrived": _arrived,
    "delivery": _delivered,
    "resumed": lambda taken: taken.lost,
}


class _Adapter(BrokerAdapter):
    def describe(self, request: Sending | Taken) -> Call:
        if isinstance(request, Sending):
            return Call.told(self.kind, LIBRARY, str(request.told["name"]), request, _SENT)
        return Call.told(self.kind, LIBRARY, request.name, request, _TAKEN)

    def enact(self, fault: Fault, request: Sending | Taken, response: object = None) -> Any:
        return enact(fault, request)


PACKAGES: Final = frozenset({"celery", "kombu", "billiard", "amqp", "vine"})
PRODUCING: Final = _Adapter(Kind.PRODUCER, LIBRARY, PACKAGES)
CONSUMING: Final = _Adapter(Kind.CONSUMER, LIBRARY, PACKAGES)
