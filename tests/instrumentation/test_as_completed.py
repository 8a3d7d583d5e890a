"""Iterating over what is done first: as it was, but in the order given, and known whose it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PROLOGUE = """
import asyncio, concurrent.futures, inspect, sys
from concurrent.futures import ThreadPoolExecutor
import baggage
from baggage.context import attached, branch, Branch
baggage.instrument("asyncio", "concurrent.futures", "threading")
from baggage.boundary import PROCEED, Interest

class App:
    name = "app"
    def interest(self, kind, library):
        return Interest.AROUND
    def around(self, call):
        yield PROCEED

baggage.register(App())
started = []

async def work(number):
    started.append(number)
    await asyncio.sleep((3 - number) / 50)
    return number
"""
PROGRAMS = {
    "tasks start in the order given, and end as they end": """
async def main():
    return [await done for done in asyncio.as_completed([work(n) for n in range(3)])]
assert asyncio.run(main()) == [2, 1, 0]
assert started == [0, 1, 2]
""",
    "what is given twice is done once": """
async def main():
    once = work(1)
    return [await done for done in asyncio.as_completed([once, once])]
assert asyncio.run(main()) == [1]
""",
    "nothing starts before somebody asks, where it was so": """
async def main():
    given = [work(1)]
    found = asyncio.as_completed(given)
    await asyncio.sleep(0)
    lazy = sys.version_info < (3, 13)
    assert started == ([] if lazy else [1])
    return [await done for done in found]
assert asyncio.run(main()) == [1]
""",
    "a timeout is one": """
async def main():
    for done in asyncio.as_completed([work(0)], timeout=0.001):
        await done
try:
    asyncio.run(main())
except TimeoutError:
    pass
else:
    raise AssertionError
""",
    "what is no collection is refused": """
async def main():
    refused = work(1)
    try:
        list(asyncio.as_completed(refused))
    except TypeError:
        refused.close()
    else:
        raise AssertionError
asyncio.run(main())
""",
    "a future alone is refused, however it is implemented": """
async def main():
    loop = asyncio.get_running_loop()
    for refused in (loop.create_future(), asyncio.futures._PyFuture(loop=loop)):
        try:
            list(asyncio.as_completed(refused))
        except TypeError:
            pass
        else:
            raise AssertionError
asyncio.run(main())
""",
    "whose outcome is dealt with is known until the last one": """
async def main():
    for done in asyncio.as_completed([work(n) for n in range(3)]):
        await done
        assert branch().following is branch().joined is not None
    assert branch().following is None
asyncio.run(main())
""",
    "also where futures are iterated over, which can be since Python 3.13": """
async def main():
    if sys.version_info < (3, 13):
        return
    tasks = [asyncio.create_task(work(n)) for n in range(3)]
    found = asyncio.as_completed(tasks)
    async for done in found:
        followed = branch().following
        assert await done == tasks.index(done)
        assert followed is branch().joined is not None
    assert branch().following is None
asyncio.run(main())
""",
    "or until the loop is left": """
async def main():
    for done in asyncio.as_completed([work(n) for n in range(3)]):
        await done
        break
    assert branch().following is None
asyncio.run(main())
""",
    "that of a pool's too": """
with attached(Branch()) as running, ThreadPoolExecutor(2) as pool:
    futures = [pool.submit(pow, n, 2) for n in range(3)]
    for future in concurrent.futures.as_completed(futures):
        followed = running.following
        future.result()
        assert followed is running.joined is not None
    assert running.following is None
    assert sorted(f.result() for f in concurrent.futures.as_completed(futures)) == [0, 1, 4]
""",
    "a pool's are left alone without a branch": """
with ThreadPoolExecutor(2) as pool:
    futures = [pool.submit(pow, n, 2) for n in range(3)]
    assert sorted(f.result() for f in concurrent.futures.as_completed(futures)) == [0, 1, 4]
""",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_completed(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROLOGUE + PROGRAMS[name]],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
