import os

import requests
from flask import Flask

app = Flask(__name__)
Answer = tuple[dict[str, int], int]


@app.get("/order")
def order() -> Answer:
    try:
        response = requests.get(f"{os.environ['STOCK_URL']}/tea", timeout=60)
    except requests.ConnectionError:
        return {"ordered": 0}, 503
    # The bug: what fails is no order of nothing.
    return {"ordered": 1 if response.ok else 0}, 200
