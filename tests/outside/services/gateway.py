"""gateway: asks stock and price in turn, in threads and in a pool, and answers 10,000 bytes.

It asks stock `wide + 1` times and price `2 * wide + 1` times, and does without what fails.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Thread

import requests
from flask import Flask, request

import baggage
from tests.outside.services.serving import serve

baggage.instrument()
app = Flask("gateway")
STOCK, PRICE = os.environ["STOCK_URL"], os.environ["PRICE_URL"]


def ask(url: str) -> None:
    with suppress(requests.ConnectionError):
        requests.get(url, timeout=300)


@app.get("/")
def gateway() -> str:
    wide = int(request.args["wide"])
    ask(STOCK)
    ask(PRICE)
    threads = [Thread(target=ask, args=(url,)) for url in (STOCK, PRICE) for _ in range(wide)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(ask, [PRICE] * wide))
    return "g" * 10_000


serve(app)
