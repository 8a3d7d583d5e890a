"""Statuses that travel: through loops, attributes, closures, defaults and conditional calls."""
import flask

app = flask.Flask(__name__)
RULES = [("closed", 503), ("private", 403)]


class Verdict:
    ok = True
    status = 200

    def refuse(self, status=409):
        self.ok = False
        self.status = status
        return self


def check(path):
    for word, status in RULES:
        if word in path:
            return status
    return None


def refusing(status):
    def view():
        return "no", status

    return view


app.add_url_rule("/wine", "wine", refusing(451))


@app.route("/hall/<path>")
def hall(path):
    if (status := check(path)) is not None:
        flask.abort(status)
    verdict = Verdict()
    if path == "dark":
        verdict.refuse()
    elif path == "wet":
        verdict.refuse(status=507)
    if not verdict.ok:
        return flask.make_response(("no", verdict.status))
    return flask.Response("hall", 299, {"X-Status": "500"})


@app.route("/guide")
def guide():
    problems = []
    problems.append(422)
    found = [problem for problem in problems if problem]
    return ("guide", 200) if not found else ("no guide", found[0])


@app.route("/shop")
def shop():
    status = 200
    try:
        float(flask.request.args["price"])
    except ValueError:
        status = 400
    return "shop", status
