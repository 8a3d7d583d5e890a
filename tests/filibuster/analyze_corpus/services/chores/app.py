"""Quart, and work that is handed to others while the caller waits."""
import asyncio
from concurrent.futures import ThreadPoolExecutor

from quart import Quart, abort
from werkzeug.exceptions import FailedDependency, Locked

app = Quart(__name__)
pool = ThreadPoolExecutor()


def lock():
    raise Locked()


async def first():
    raise FailedDependency()


async def second():
    return "second", 206


@app.post("/lock")
async def post_lock():
    return await asyncio.to_thread(lock)


@app.get("/both")
async def both():
    results = await asyncio.gather(first(), second())
    return str(results)


@app.get("/late")
async def late():
    try:
        return await asyncio.wait_for(second(), 1)
    except TimeoutError:
        abort(504)
