import functools

from flask import Flask

from search.errors import *

app = Flask("search")
no_index = functools.partial(fail, 507)
app.add_url_rule("/robots.txt", "robots", lambda: ("no robots", 403))


@app.get("/search/<query>")
def search(query):
    if "(" in query:
        return "syntax", STATUS["syntax"]
    if query == "broken":
        no_index("broken")
    return query


@app.get("/explain/<reason>")
def explain(reason):
    return reason, STATUS.get(reason, 404)
