"""WSGI without a framework."""
from wsgiref.simple_server import make_server

NOT_FOUND = "404 Not Found"


def text(start_response, status, body):
    start_response(status, [("Content-Type", "text/plain")])
    return [body]


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/busy":
        start_response("503 Service Unavailable", [])
        return [b""]
    if path == "/":
        return text(start_response, "200 OK", b"hello")
    return text(start_response, NOT_FOUND, b"no")


if __name__ == "__main__":
    make_server("", 8000, app).serve_forever()
