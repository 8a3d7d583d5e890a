"""A site of Django, whose views do what each request is given to do, in its environment or scope.

Settings are one for a process, so they are here.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Final

import django
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.test.utils import override_settings
from django.urls import re_path

from baggage.context import pack
from baggage.testing.http_server import View

VIEW: Final = "suite.view"
DEFAULT: Final = (
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
)

settings.configure(
    ALLOWED_HOSTS=["*"], APPEND_SLASH=False, LOGGING_CONFIG=None, ROOT_URLCONF=__name__
)
django.setup()
logging.getLogger("django.request").disabled = True


def _view(request: Any) -> Any:
    scope = getattr(request, "scope", None)
    return (request.META if scope is None else scope)[VIEW]


def _response(answer: Any) -> Any:
    if isinstance(answer, HttpResponse | FileResponse):
        return answer
    if isinstance(answer, int):
        return HttpResponse(status=answer)
    return HttpResponse(answer) if isinstance(answer, bytes) else StreamingHttpResponse(answer)


async def _in_threads(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Iterate over what waits for others: Django would take all of it before it sends any."""
    following = sync_to_async(lambda: next(chunks, None))
    while (chunk := await following()) is not None:
        yield chunk


def answer(request: Any) -> Any:
    """Answer by a view that is no coroutine."""
    answer = _view(request)()
    by_asgi = isinstance(answer, Iterator) and hasattr(request, "scope")
    return _response(_in_threads(answer) if by_asgi else answer)


async def answer_in_loop(request: Any) -> Any:
    """Answer by a view that is one, and which works in threads."""
    answer = await sync_to_async(_view(request))()
    return _response(_in_threads(answer) if isinstance(answer, Iterator) else answer)


class InTurn:
    """Middleware that is no coroutine: whatever is within it runs beyond a thread."""

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self._get_response = get_response

    def __call__(self, request: Any) -> Any:
        pack("parts", "before")
        answered = self._get_response(request)
        pack("parts", "after")
        return answered


class _Handler:
    """A handler's part that all requests go by: one view, whatever the path."""

    view: Any = staticmethod(answer)

    def resolve_request(self, request: Any) -> Any:
        request.urlconf = (re_path("", self.view),)
        return super().resolve_request(request)  # type: ignore[misc]


class _Wsgi(_Handler, WSGIHandler):  # type: ignore[misc]
    pass


class _Asgi(_Handler, ASGIHandler):  # type: ignore[misc]
    pass


def wsgi(view: View, by: Any = answer, middleware: Iterable[Any] = DEFAULT) -> Callable[..., Any]:
    """Make an application for WSGI, all of whose requests one of Django's views answers."""
    handler = _made(_Wsgi, by, middleware)

    def call(environ: dict[str, Any], start_response: Any) -> Any:
        environ[VIEW] = view
        return handler(environ, start_response)

    return call


def asgi(view: View, by: Any = answer_in_loop, middleware: Iterable[Any] = DEFAULT) -> Any:
    """Make an application for ASGI, as above."""
    handler = _made(_Asgi, by, middleware)

    async def call(scope: dict[str, Any], receive: Any, send: Any) -> None:
        scope[VIEW] = view
        await handler(scope, receive, send)

    return call


def _made(kind: Any, by: Any, middleware: Iterable[Any]) -> Any:
    with override_settings(MIDDLEWARE=[*middleware]):
        handler = kind()
    handler.view = by
    return handler
