"""The standard library's own server."""
import http.server
from http import HTTPStatus


class Clock(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/time":
            self.send_error(404)
            return
        self.send_response(HTTPStatus.OK)
        self.end_headers()

    def do_POST(self):
        self.refuse()

    def refuse(self):
        self.send_response(HTTPStatus.METHOD_NOT_ALLOWED)
        self.end_headers()

    def log_message(self, *args):
        print(505, args)


http.server.HTTPServer(("", 8000), Clock).serve_forever()
