from flask import Flask

from common.errors import QuotaExceeded, unavailable

app = Flask(__name__)


@app.get("/reviews")
def reviews():
    unavailable("reviews")


@app.post("/reviews")
def review():
    raise QuotaExceeded
