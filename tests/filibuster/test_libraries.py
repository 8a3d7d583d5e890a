"""Faults in services that are not made of requests and Flask: gRPC and aiohttp, by `filibuster`."""

from __future__ import annotations

import json
import sys

import pytest

from tests.filibuster.shell import Shell

GRPC = """
import sys
from concurrent.futures import ThreadPoolExecutor
import grpc
{imports}
from metaapps.filibuster.instrumentation.flask import FlaskInstrumentor
from metaapps.filibuster.instrumentation.grpc import GrpcInstrumentorClient, GrpcInstrumentorServer
from flask import Flask
from werkzeug.serving import make_server

GrpcInstrumentorClient().instrument(service_name="shop", filibuster_url="http://localhost:5005")
GrpcInstrumentorServer().instrument(service_name="shop", filibuster_url="http://localhost:5005")
shop = Flask("shop")
FlaskInstrumentor().instrument_app(shop, service_name="shop")

def count(request, context):
    return b"7"

stock = grpc.server(ThreadPoolExecutor(2))
counting = grpc.unary_unary_rpc_method_handler(count)
stock.add_generic_rpc_handlers((
    grpc.method_handlers_generic_handler("shop.Stock", {{"Count": counting}}),
))
port = stock.add_insecure_port("127.0.0.1:0")
stock.start()

{client}

above = make_server("127.0.0.1", 0, shop, threaded=True)
sys.stdout.write(f"{{above.port}}\\n")
sys.stdout.flush()
above.serve_forever()
"""
BLOCKING = GRPC.format(
    imports="",
    client="""
channel = grpc.insecure_channel(f"127.0.0.1:{port}")
asking = channel.unary_unary("/shop.Stock/Count")

@shop.get("/")
def left():
    try:
        return asking(b"apples", timeout=60)
    except grpc.RpcError as error:
        # The bug: what is not in stock is an error here.
        status = 500 if error.code() is grpc.StatusCode.NOT_FOUND else 200
        return error.code().name, status
""",
)
LOOP = GRPC.format(
    imports="import asyncio\nimport grpc.aio",
    client="""
async def ask():
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        return await channel.unary_unary("/shop.Stock/Count")(b"apples", timeout=60)

@shop.get("/")
def left():
    try:
        return asyncio.run(ask())
    except grpc.aio.AioRpcError as error:
        status = 500 if error.code() is grpc.StatusCode.NOT_FOUND else 200
        return error.code().name, status
""",
)
AIOHTTP = """
import asyncio, sys
import baggage
import aiohttp
from aiohttp import web
baggage.instrument(service="front")

async def ask(request):
    url = f"http://127.0.0.1:{sockets['back']}/below"
    timeout = aiohttp.ClientTimeout(total=5)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session:
            async with session.get(url) as answer:
                return web.Response(text=await answer.text(), status=answer.status)
    except asyncio.TimeoutError:
        return web.Response(text="late", status=200)
    except aiohttp.ClientConnectorError:
        return web.Response(text="nobody", status=200)

async def answer(request):
    return web.Response(text="something")

sockets = {}

async def serve(name, view):
    app = web.Application()
    app.router.add_get("/{below:.*}", view)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sockets[name] = site._server.sockets[0].getsockname()[1]

async def main():
    await serve("back", answer)
    await serve("front", ask)
    sys.stdout.write(f"{sockets['front']}\\n")
    sys.stdout.flush()
    await asyncio.Event().wait()

asyncio.run(main())
"""
ASKS = """
import os, requests
def test_asks():
    assert requests.get(os.environ["FRONT_URL"], timeout=300).status_code == 200
"""


def explored(shell: Shell, service: str) -> tuple[list[str], list[str], str]:
    """Start a service and explore it; return the faults that it stood, those it didn't, and all."""
    shell.write("service.py", service)
    shell.write("test_asks.py", ASKS)
    key = {"FILIBUSTER_KEY": "of the test"}
    with shell.start(sys.executable, "service.py", **key) as started:
        assert started.stdout is not None
        try:
            url = f"http://127.0.0.1:{int(started.stdout.readline())}/"
            ended = shell.filibuster("--functional-test", "test_asks.py", FRONT_URL=url, **key)
        finally:
            started.kill()
    passed = [judged.plan for judged in ended.judged if judged.verdict == "passed"]
    failed = [judged.plan for judged in ended.judged if judged.verdict == "FAILED"]
    return [_fault(plan) for plan in passed], [_fault(plan) for plan in failed], ended.out


def _fault(plan: str) -> str:
    return plan.rpartition(": ")[2].rpartition(".")[2]


@pytest.mark.parametrize(
    ("service", "error"), [(BLOCKING, "_InactiveRpcError"), (LOOP, "AioRpcError")]
)
def test_a_bug_in_the_handling_of_a_code_of_grpc_is_found(
    service: str, error: str, shell: Shell
) -> None:
    passed, failed, out = explored(shell, service)
    assert "/shop.Stock/Count" in out
    assert passed[1:] == [
        f"{error} {code}" for code in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL")
    ]
    assert failed == [f"{error} NOT_FOUND"]
    [kept] = (shell.directory / ".filibuster").rglob("*NOT_FOUND*.json")
    [fault] = json.loads(kept.read_text())["faults"]
    assert (fault["code"], fault["timeout"]) == ("NOT_FOUND", 60.0)


def test_a_bug_in_the_handling_of_a_status_is_found_in_a_service_of_aiohttp(shell: Shell) -> None:
    passed, failed, out = explored(shell, AIOHTTP)
    assert passed[1:] == ["ClientConnectorError", "TimeoutError"], out
    assert failed == ["500", "502", "503"]
    assert "warnings" not in out
