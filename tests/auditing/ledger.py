"""A real service under audit that packs, asks the next one, and does all that loses an account.

Run as a script, with the next service's address if there is one; says its own port on a line.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx
import requests
from flask import Flask
from werkzeug.serving import make_server

import baggage
from baggage.context import branch
from tests.auditing.report import report

NEXT = sys.argv[2] if len(sys.argv) > 2 else ""
app = Flask("ledger")
POOL = ThreadPoolExecutor(8)
AFTER: list[tuple[threading.Event, threading.Thread]] = []
OTHERS: list[baggage.Baggage] = []
SPENT = baggage.key("ledger.spent", type=baggage.Sum)


def ask(way: str = "pack") -> int:
    baggage.pack("asked", way)  # asks
    return requests.get(f"{NEXT}by/{way}", timeout=300).status_code  # asked


def pack() -> int:
    baggage.pack(SPENT, 1)  # counted
    baggage.pack("n", len(baggage.unpack("n")))  # packed
    return 200


def running() -> baggage.Branch:
    found = branch()
    assert found is not None
    return found


# All is well


def fan_out() -> int:
    """Pack and ask in 64 jobs, and in the threads, tasks and generators of some."""
    jobs = [POOL.submit(mixed, number) for number in range(64)]
    pack()
    return max(job.result() for job in jobs)


def mixed(number: int) -> int:
    pack()
    if number % 8 == 0:
        return ask()
    if number % 8 == 1:
        return in_a_thread(pack)
    if number % 8 == 2:
        return asyncio.run(gathered())
    if number % 8 == 3:
        with baggage.attached(baggage.current()) as part:
            pack()
        baggage.join(part)
    if number % 8 == 4:
        next(stepping())
    if number % 8 == 5:
        baggage.keep(pack)()
    return 200


async def gathered() -> int:
    async def job() -> int:
        pack()
        return await asyncio.to_thread(pack)

    with suppress(TimeoutError):
        await asyncio.wait_for(slow(), 0.01)
    return max(await asyncio.gather(job(), job()))


async def slow() -> None:
    pack()
    await asyncio.sleep(10)


@baggage.stepwise
def stepping() -> Any:
    pack()
    yield
    pack()


def in_a_thread(work: Callable[[], Any]) -> int:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return 200


def by_hand() -> int:
    """Split, in a thread that nothing would hook, and join."""
    _, theirs = baggage.split()
    with baggage.attached(theirs):
        ask()
    baggage.join(theirs)
    return pack()


def batch() -> int:
    """Take in what other requests know, by intention."""
    baggage.join(OTHERS[0], batch=True)
    return ask()


def apart() -> int:
    """Leave work behind that is declared to be on its own."""
    with baggage.request_scope("apart", baggage.current()):
        pack()
    in_a_thread(baggage.keep(pack))
    return ask()


# The application's own faults


def swallowed() -> int:
    with suppress(ZeroDivisionError):
        POOL.submit(failing).result()
    return ask()


def failing() -> float:
    pack()
    return 1 / 0


def crashed() -> int:
    POOL.submit(pack)
    return int(failing())


def removed() -> int:
    names = baggage.current().keys()
    for key in names:
        baggage.remove(key)
    return ask()


def nobody() -> int:
    with suppress(requests.ConnectionError):
        requests.get("http://127.0.0.1:9/", timeout=1)
    return ask()


def failed_there() -> int:
    return 200 if ask("crashed") == 500 else 500


# The propagation's


def same_object() -> int:
    with baggage.attached(baggage.current()):
        baggage.pack("mine", 1)  # first
        ask()
    baggage.pack("mine", 2)  # again
    return 200


def lost() -> int:
    baggage.split()  # split
    with baggage.attached(baggage.deserialize(b"")) as part:
        pack()
    baggage.join(part)  # joined
    return 200


def anothers() -> int:
    baggage.join(OTHERS[0])  # foreign
    return 200


def anothers_there() -> int:
    return ask("confused")


def confused() -> int:
    """Go on in what another request knows."""
    running().update(lambda _: OTHERS[0])  # confused
    return pack()


def stale() -> int:
    snapshot = baggage.current()
    pack()
    baggage.split()  # stale split
    with baggage.attached(snapshot) as part:
        ask()
    baggage.join(part)
    return 200


def reset() -> int:
    before = baggage.current()
    ask()
    pack()
    running().update(lambda _: before)  # reset
    return 200


def never_joined() -> int:
    done = threading.Event()
    threading.Thread(target=lambda: spend(done)).start()  # started
    done.wait(300)
    return ask()


def spend(done: threading.Event) -> None:
    pack()
    baggage.pack("spent", 1)  # spent
    done.set()


def late() -> int:
    go_on = threading.Event()
    AFTER.append((go_on, threading.Thread(target=lambda: spend_late(go_on))))
    AFTER[-1][1].start()  # late start
    return 200


def spend_late(go_on: threading.Event) -> None:
    go_on.wait(300)
    baggage.pack("spent", 1)  # late


def hasty() -> int:
    """Give up waiting for an answer."""
    with suppress(requests.Timeout):
        requests.get(f"{NEXT}slowly", timeout=0.05)  # hasty
    return 200


def cancelled() -> int:
    """Give up waiting for a task of a client's own, on an event loop."""

    async def giving_up() -> None:
        async with httpx.AsyncClient(timeout=300) as client:
            with suppress(TimeoutError):
                async with asyncio.timeout(None) as limit:

                    async def sent(step: str, _: object) -> None:
                        if step == "http11.send_request_body.complete":
                            limit.reschedule(0)

                    await client.get(f"{NEXT}slowly", extensions={"trace": sent})  # cancelled

    asyncio.run(giving_up())
    return 200


def twice() -> int:
    """Ask twice; something on the way answers the second time with the first answer."""
    ask("pack")
    ask("pack")
    return 200


@app.route("/by/<way>")
def by(way: str) -> tuple[str, int]:
    status = int(globals()[way]())
    return str(status), status


@app.route("/slowly")
def slowly() -> str:
    threading.Event().wait(5)
    return "done"


@app.route("/other")
def other() -> str:
    """Leave what this request knows to all the others."""
    baggage.pack("other", 1)
    OTHERS[:] = [baggage.current().departing()]
    return "200"


@app.route("/after")
def after() -> str:
    while AFTER:
        go_on, thread = AFTER.pop()
        go_on.set()
        thread.join()
    return "200"


@app.route("/findings")
def findings() -> str:
    """Tell what was found, and forget it."""
    found = report()
    baggage.audit().clear()
    return found


def main() -> None:
    baggage.instrument(service=sys.argv[1])
    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(server.port, flush=True)  # noqa: T201 - to whoever started this
    server.serve_forever()


if __name__ == "__main__":
    main()
