"""Django, by WSGI and by ASGI, keeps what every HTTP server has to."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from io import BytesIO, StringIO
from typing import Any, ClassVar
from wsgiref.handlers import SimpleHandler

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.http import FileResponse, HttpResponse
from werkzeug.test import EnvironBuilder, run_wsgi_app

from baggage.boundary import Kind, Returned, read_header, write_header
from baggage.context import current, pack, unpack
from baggage.instrumentation import asyncio as asyncio_
from baggage.instrumentation import concurrent_futures, threading, wsgiref_handlers
from baggage.instrumentation import django as instrumentation
from baggage.testing import Recorder
from baggage.testing.http_server import HttpServerSuite, View
from baggage.testing.suite import InstrumentationSuite, failure
from baggage.values import EMPTY, Baggage
from tests.instrumentation import django_site
from tests.instrumentation.asgi_serving import BehindUvicorn
from tests.instrumentation.serving import by_waitress
from tests.instrumentation.test_asgi import Caller
from tests.instrumentation.test_wsgiref import CGI, Digesting
from tests.instrumentation.together import Together
from tests.versions import needs


class TestDjango(HttpServerSuite):
    instrumentation: ClassVar = instrumentation

    def serving(self, view: View) -> AbstractContextManager[str]:
        return by_waitress(django_site.wsgi(view))


class TestDjangoWithoutMiddleware(HttpServerSuite):
    """Nothing states the length of a body then."""

    instrumentation: ClassVar = instrumentation

    def serving(self, view: View) -> AbstractContextManager[str]:
        return by_waitress(django_site.wsgi(view, middleware=()))


class ByAsgi(BehindUvicorn):
    @needs("django", "5.0", "older ones stream on, whoever has left")
    def test_a_caller_who_hangs_up_ends_the_crossing(self) -> None:
        super().test_a_caller_who_hangs_up_ends_the_crossing()


class TestDjangoByAsgi(ByAsgi):
    instrumentation: ClassVar = instrumentation

    def application(self, view: View) -> Any:
        return django_site.asgi(view)


class TestDjangoByAsgiInThreads(ByAsgi):
    """Views that are no coroutines."""

    instrumentation: ClassVar = instrumentation

    def application(self, view: View) -> Any:
        return django_site.asgi(view, django_site.answer)


EVERYTHING = Together(instrumentation, wsgiref_handlers, asyncio_, threading, concurrent_futures)
MIDDLEWARE = (f"{django_site.__name__}.InTurn", *django_site.DEFAULT)


class Stays(Caller):
    """A caller who does not hang up."""

    async def receive(self) -> Any:
        if len(self.events) == 1:
            await asyncio.Event().wait()
        return await super().receive()


async def ask_by_asgi(app: Any, carried: Baggage) -> Caller:
    return await Stays(carried).call(app)


def ask_by_wsgi(app: Any, carried: Baggage) -> tuple[Baggage, str]:
    headers = [("baggage", write_header(carried, origin="caller"))]
    environ = EnvironBuilder(headers=headers).get_environ()
    _, status, answered = run_wsgi_app(app, environ, buffered=True)
    return read_header(answered["baggage"]), status


def pack_part(part: str) -> None:
    (mine,) = unpack("n")
    pack("parts", f"{part} of {mine!r}")


async def pack_parts(part: str) -> None:
    await asyncio.sleep(0)
    pack_part(part)
    await sync_to_async(pack_part)(part + "'s thread")


async def look_in_loop(request: Any) -> HttpResponse:
    await asyncio.gather(*(pack_parts(f"task {n}") for n in range(2)))
    await sync_to_async(pack_part)("thread")
    await sync_to_async(pack_part, thread_sensitive=False)("any thread")
    await sync_to_async(async_to_sync(pack_parts))("there and back")
    pack_part("view")
    return HttpResponse()


def look_in_thread(request: Any) -> HttpResponse:
    async_to_sync(pack_parts)("loop")
    pack_part("view")
    return HttpResponse()


LOOKED = {
    look_in_loop: {
        *("task 0", "task 0's thread", "task 1", "task 1's thread", "thread", "any thread"),
        *("there and back", "there and back's thread", "view"),
    },
    look_in_thread: {"loop", "loop's thread", "view"},
}


def parts(view: Any, n: int) -> set[str]:
    return {"before", "after", *(f"{part} of {n}" for part in LOOKED[view])}


@pytest.mark.parametrize("view", LOOKED, ids=lambda view: str(view.__name__))
class TestSteps(InstrumentationSuite):
    """Views and middleware of both kinds, in asgiref's threads and loops: steps of a request."""

    instrumentation: ClassVar = EVERYTHING

    def test_what_each_part_packs_goes_home_with_its_request_by_asgi(self, view: Any) -> None:
        app = django_site.asgi(bytes, view, MIDDLEWARE)

        async def ask(n: int) -> object:
            return set((await ask_by_asgi(app, EMPTY.pack("n", n))).home.unpack("parts"))

        async def ask_all() -> list[object]:
            return await asyncio.gather(*map(ask, range(16)))

        assert asyncio.run(ask_all()) == [parts(view, n) for n in range(16)]
        assert current().keys() == ()

    def test_what_each_part_packs_goes_home_with_its_request_by_wsgi(self, view: Any) -> None:
        app = django_site.wsgi(bytes, view, MIDDLEWARE)

        def ask(n: int) -> object:
            return set(ask_by_wsgi(app, EMPTY.pack("n", n))[0].unpack("parts"))

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(ask, range(8))) == [parts(view, n) for n in range(8)]
            assert set(pool.map(lambda _: current().keys(), range(8))) == {()}

    def test_a_step_is_no_branch(self, view: Any) -> None:
        recorder = Recorder(kinds=(Kind.SPAWN,))
        self.boundary.register(recorder)
        asyncio.run(ask_by_asgi(django_site.asgi(bytes, view, MIDDLEWARE), EMPTY.pack("n", 1)))
        ask_by_wsgi(django_site.wsgi(bytes, view, MIDDLEWARE), EMPTY.pack("n", 1))
        within = [each.call for each in recorder.ended if each.carried.keys()]
        assert len(within) == (4 if view is look_in_loop else 0)
        assert all(call.site.function.endswith("look_in_loop") for call in within)


class TestDjangoParts(InstrumentationSuite):
    instrumentation: ClassVar = EVERYTHING

    def recorded(self) -> Recorder:
        recorder = Recorder(kinds=(Kind.SERVER,))
        self.boundary.register(recorder)
        return recorder

    def test_an_error_that_django_answers_brings_home_what_was_packed_before_it(self) -> None:
        def view() -> bytes:
            pack("n", 2)
            raise LookupError("the application's own")

        recorder = self.recorded()
        home, status = ask_by_wsgi(django_site.wsgi(view), EMPTY.pack("n", 1))
        caller = asyncio.run(ask_by_asgi(django_site.asgi(view), EMPTY.pack("n", 1)))
        assert (status[:3], caller.sent[0]["status"]) == ("500", 500)
        assert set(home.unpack("n")) == set(caller.home.unpack("n")) == {1, 2}
        outcomes = [each.outcome for each in recorder.ended]
        assert all(isinstance(each, Returned) and each.facts.status == 500 for each in outcomes)

    def test_a_request_is_its_servers_where_that_is_instrumented(self) -> None:
        recorder = self.recorded()
        sent = BytesIO()
        app = django_site.wsgi(lambda: repr(unpack("tenant")).encode())
        told = {**CGI, "HTTP_BAGGAGE": write_header(EMPTY.pack("tenant", "acme"), origin="x")}
        SimpleHandler(BytesIO(), sent, StringIO(), told).run(app)
        assert sent.getvalue().endswith(b"('acme',)")
        assert [each.call.library for each in recorder.ended] == ["wsgiref.handlers"]

    def test_a_body_whose_length_nothing_states_has_its_facts(self) -> None:
        self.boundary.register(Digesting())
        recorder = self.recorded()
        ask_by_wsgi(django_site.wsgi(lambda: b"12345", middleware=()), EMPTY)
        (crossed,) = recorder.ended
        assert isinstance(crossed.outcome, Returned)
        assert crossed.outcome.facts.size() == 5

    def test_a_file_is_sent_by_the_servers_means_and_closed_in_its_request(self) -> None:
        closed: list[object] = []

        class File(BytesIO):
            def close(self) -> None:
                closed.append(unpack("tenant"))
                super().close()

        sent = BytesIO()
        app = django_site.wsgi(lambda: FileResponse(File(b"content")))
        told = {**CGI, "HTTP_BAGGAGE": write_header(EMPTY.pack("tenant", "acme"), origin="x")}
        SimpleHandler(BytesIO(), sent, StringIO(), told).run(app)
        assert sent.getvalue().endswith(b"content")
        assert closed[0] == ("acme",)

    def test_a_handler_takes_nothing_but_http_as_ever(self) -> None:
        app = django_site.asgi(bytes)
        error = failure(lambda: asyncio.run(Stays(kind="lifespan").call(app)))
        assert isinstance(error, ValueError)
