"""One service, run under three names: it makes calls by any library, and notes what it serves.

Below `/call/` are views that call, each by the client that the path names; what came of it is the
answer. `/serve/` is what they call. `/log` hands over what was served, to tests alone.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
import aiohttp.web
import grpc
import grpc.aio
import httpx
import requests
import urllib3
import uvicorn
import waitress
from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

import baggage

NAME = os.environ["BAGGAGE_SERVICE"]
baggage.instrument(service=NAME)
app = Flask(NAME)
served: list[str] = []
jobs: queue.Queue[tuple[str, str]] = queue.Queue()
ITEM = {"user": {"name": "Ann", "age": 7}, "tags": ["a", "b"]}
TIMEOUT = 5.0

Call = Callable[[str, float], str]


class Unwell(Exception):
    """An answer of urllib3's that is no success."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def by_requests(url: str, timeout: float) -> str:
    answer = requests.get(url, timeout=timeout)
    answer.raise_for_status()
    return answer.text


def by_httpx(url: str, timeout: float) -> str:
    with httpx.Client(timeout=timeout) as client:
        return client.get(url).raise_for_status().text


async def by_httpx_async(url: str, within: float) -> str:
    async with httpx.AsyncClient(timeout=within) as client:
        return (await client.get(url)).raise_for_status().text


async def by_aiohttp(url: str, within: float) -> str:
    limit = aiohttp.ClientTimeout(total=within)
    async with (
        aiohttp.ClientSession(timeout=limit, raise_for_status=True) as session,
        session.get(url) as answer,
    ):
        return await answer.text()


def by_urllib3(url: str, timeout: float) -> str:
    answer = urllib3.request("GET", url, timeout=timeout, retries=False)
    if answer.status >= 400:
        raise Unwell(answer.status)
    return answer.data.decode()


def by_grpc(target: str, timeout: float, method: str = "Item") -> str:
    with grpc.insecure_channel(target) as channel:
        asking: Any = channel.unary_unary(f"/faults.Lab/{method}")
        answer: bytes = asking(b"", timeout=timeout)
        return answer.decode()


async def by_grpc_aio(target: str, within: float, method: str = "Item") -> str:
    async with grpc.aio.insecure_channel(target) as channel:
        asking: Any = channel.unary_unary(f"/faults.Lab/{method}")
        answer: bytes = await asking(b"", timeout=within)
        return answer.decode()


CLIENTS: dict[str, Call] = {
    "requests": by_requests,
    "httpx": by_httpx,
    "httpx_async": lambda url, timeout: asyncio.run(by_httpx_async(url, timeout)),
    "aiohttp": lambda url, timeout: asyncio.run(by_aiohttp(url, timeout)),
    "urllib3": by_urllib3,
    "grpc": by_grpc,
    "grpc_aio": lambda target, timeout: asyncio.run(by_grpc_aio(target, timeout)),
}


def ask(client: str, what: str = "item", timeout: float = TIMEOUT, whom: str = "back") -> str:
    """Call a service; return what it answered."""
    if client.startswith("grpc"):
        return CLIENTS[client](request.args[f"{whom}-{client}"], timeout)
    return CLIENTS[client](f"{os.environ[f'{whom.upper()}_URL']}/serve/{what}", timeout)


def outcome(call: Callable[[], str]) -> Any:
    """Return what an application sees of a call: an answer, or the exception and its status."""
    try:
        text = call()
    except Exception as error:
        code = getattr(error, "code", None)
        status = code().name if callable(code) else getattr(error, "status", None)
        response = getattr(error, "response", None)
        found = status if response is None else response.status_code
        return {"raised": type(error).__name__, "status": found}
    try:
        return {"answer": json.loads(text)}
    except ValueError:
        return {"text": text}


@app.get("/call/once/<client>")
def once(client: str) -> ResponseReturnValue:
    return jsonify(outcome(lambda: ask(client)))


@app.get("/call/retry/<client>")
def retry(client: str) -> ResponseReturnValue:
    """Try up to three times."""
    seen = []
    for _ in range(3):
        seen.append(outcome(lambda: ask(client)))
        if "answer" in seen[-1]:
            break
    return jsonify(seen)


@app.get("/call/session")
def session() -> ResponseReturnValue:
    """Leave it to the library to try three times more."""
    retry = urllib3.Retry(3, status_forcelist=[503], backoff_factor=0)

    def by_session() -> str:
        with requests.Session() as session:
            session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))
            return session.get(f"{os.environ['BACK_URL']}/serve/item", timeout=TIMEOUT).text

    return jsonify(outcome(by_session))


@app.get("/call/pay")
def pay() -> ResponseReturnValue:
    """Reserve, pay and, where that fails after a reservation, cancel it."""
    reserved = outcome(lambda: ask("requests", "reserve"))
    paid = outcome(lambda: ask("requests", "pay"))
    return jsonify([reserved, paid])


@app.get("/call/through")
def through() -> ResponseReturnValue:
    """Ask the one in the middle, who asks the last one twice."""
    return jsonify(outcome(lambda: ask("requests", "twice", 2.0, "mid")))


@app.get("/call/through/<client>")
def through_another(client: str) -> ResponseReturnValue:
    """Ask the one in the middle by gRPC, or what it serves by aiohttp or Starlette."""
    target = request.args[f"mid-{client}"]
    if not client.startswith("grpc"):
        return jsonify(outcome(lambda: by_requests(f"http://{target}/", 2.0)))
    if client == "grpc":
        return jsonify(outcome(lambda: by_grpc(target, 2.0, "Twice")))
    return jsonify(outcome(lambda: asyncio.run(by_grpc_aio(target, 2.0, "Twice"))))


@app.get("/call/together")
def together() -> ResponseReturnValue:
    """Ask the one in the middle, who asks the last one for two things at once, and then for one."""
    return jsonify(outcome(lambda: ask("requests", "together", 2.0, "mid")))


@app.get("/call/aside")
def aside() -> ResponseReturnValue:
    """Ask the one in the middle, who doesn't wait for a thread of its own."""
    return jsonify(outcome(lambda: ask("requests", "aside", 2.0, "mid")))


@app.get("/call/queue")
def queued() -> ResponseReturnValue:
    for job in ("first", "second"):
        jobs.put((job, os.environ["BACK_URL"]))
    return jsonify("put")


@app.get("/call/queue/asyncio")
def queued_in_loop() -> ResponseReturnValue:
    """Let a task work on what another one puts, and wait until it has."""
    url = os.environ["BACK_URL"]

    async def work(tasks: asyncio.Queue[str]) -> None:
        while True:
            await by_aiohttp(f"{url}/serve/{await tasks.get()}", TIMEOUT)
            tasks.task_done()

    async def put() -> None:
        tasks: asyncio.Queue[str] = asyncio.Queue()
        worker = asyncio.create_task(work(tasks))
        for job in ("first", "second"):
            await tasks.put(job)
        await tasks.join()
        worker.cancel()
        await asyncio.wait([worker])

    asyncio.run(put())
    return jsonify("put")


def work() -> None:
    while True:
        job, url = jobs.get()
        outcome(lambda: by_requests(f"{url}/serve/{job}", TIMEOUT))  # noqa: B023 - called at once


@app.get("/serve/twice")
def serve_twice() -> ResponseReturnValue:
    return jsonify([outcome(lambda: ask("requests")) for _ in range(2)])


@app.get("/serve/together")
def serve_together() -> ResponseReturnValue:
    url = os.environ["BACK_URL"]

    async def gathered() -> list[str]:
        both = (by_aiohttp(f"{url}/serve/{what}", TIMEOUT) for what in ("left", "right"))
        return await asyncio.gather(*both)

    both = asyncio.run(gathered())
    return jsonify([*both, ask("requests", "last")])


@app.get("/serve/aside")
def serve_aside() -> ResponseReturnValue:
    url = os.environ["BACK_URL"]
    thread = threading.Thread(target=by_requests, args=(f"{url}/serve/slow", TIMEOUT))
    thread.start()
    while thread.is_alive():  # which is not to join it
        threading.Event().wait(0.01)
    return jsonify(outcome(lambda: ask("requests", "quick")))


@app.get("/serve/<what>")
def serve(what: str) -> ResponseReturnValue:
    served.append(what)
    return jsonify(ITEM)


@app.get("/log")
def log() -> ResponseReturnValue:
    """Hand over what was served since the last time, and where gRPC listens."""
    said, served[:] = [*served], []
    return jsonify(served=said, ports=ports)


def item(asked: bytes, context: object) -> bytes:
    served.append("item")
    return json.dumps(ITEM).encode()


def twice(asked: bytes, context: object) -> bytes:
    url = f"{os.environ['BACK_URL']}/serve/item"
    return json.dumps([by_requests(url, TIMEOUT) for _ in range(2)]).encode()


async def item_in_loop(asked: bytes, context: object) -> bytes:
    return item(asked, context)


async def twice_in_loop(asked: bytes, context: object) -> bytes:
    url = f"{os.environ['BACK_URL']}/serve/item"
    return json.dumps([await by_aiohttp(url, TIMEOUT) for _ in range(2)]).encode()


def served_by(item: Any, twice: Any) -> Any:
    methods = {"Item": item, "Twice": twice}
    behaviours: Any = {
        name: grpc.unary_unary_rpc_method_handler(method) for name, method in methods.items()
    }
    return (grpc.method_handlers_generic_handler("faults.Lab", behaviours),)


async def by_loop() -> list[str]:
    url = f"{os.environ['BACK_URL']}/serve/item"
    return [await by_aiohttp(url, TIMEOUT) for _ in range(2)]


def in_aiohttp() -> int:
    async def answer(_: aiohttp.web.Request) -> aiohttp.web.Response:
        return aiohttp.web.json_response(await by_loop())

    async def serving() -> int:
        web = aiohttp.web.Application()
        web.router.add_get("/", answer)
        runner = aiohttp.web.AppRunner(web)
        await runner.setup()
        await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
        return int(runner.addresses[0][1])

    return asyncio.run_coroutine_threadsafe(serving(), loop).result()


def in_starlette() -> int:
    async def answer(_: Any) -> JSONResponse:
        return JSONResponse(await by_loop())

    web = Starlette(routes=[Route("/", answer)])
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(web, log_level="warning"))
    asyncio.run_coroutine_threadsafe(server.serve([listening]), loop)
    return int(listening.getsockname()[1])


def blocking() -> int:
    server = grpc.server(ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers(served_by(item, twice))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    running.append(server)
    return int(port)


def in_loop() -> int:
    async def serving() -> int:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers(served_by(item_in_loop, twice_in_loop))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        running.append(server)
        return int(port)

    return asyncio.run_coroutine_threadsafe(serving(), loop).result()


running: list[object] = []
loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()
ports = {} if NAME == "front" else {"grpc": blocking(), "grpc_aio": in_loop()}
if NAME == "mid":
    ports.update(aiohttp=in_aiohttp(), starlette=in_starlette())
threading.Thread(target=work, daemon=True).start()

if __name__ == "__main__":
    listening = socket.socket(fileno=int(os.environ["SERVICE_FD"]))
    waitress.serve(app, sockets=[listening], threads=8)
