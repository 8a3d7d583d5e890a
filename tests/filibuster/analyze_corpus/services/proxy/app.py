"""What it answers is up to others, but for two refusals."""
import requests
from flask import Flask, Response, abort, request

app = Flask(__name__)


@app.route("/<path:path>")
def proxy(path):
    if path.startswith("admin"):
        abort(403)
    try:
        answer = requests.request(request.method, f"http://origin/{path}")
        answer.raise_for_status()
    except requests.HTTPError as error:
        return error.response.text, error.response.status_code
    except requests.RequestException:
        return Response(status=502)
    return Response(answer.content, answer.status_code)
