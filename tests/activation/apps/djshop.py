"""A service of Django, with nothing of ours in it but a look at what is carried.

`runserver` takes the socket that it is handed, since it has no option for that.
"""

from __future__ import annotations

import os
import socket
import sys
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.management import execute_from_command_line
from django.core.management.commands import runserver
from django.core.servers.basehttp import WSGIServer
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

settings.configure(ALLOWED_HOSTS=["*"], DEBUG=True, ROOT_URLCONF="djshop")


class Handed(WSGIServer):  # type: ignore[misc]
    socket: Any

    def server_bind(self) -> None:
        self.socket.close()
        self.socket = socket.socket(fileno=int(os.environ["SERVICE_FD"]))
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address
        self.setup_environ()


def answer(request: HttpRequest) -> HttpResponse:
    return HttpResponse(import_module("shop").look(), content_type="application/json")


urlpatterns = [path("", answer)]

if __name__ == "__main__":
    sys.modules["djshop"] = sys.modules["__main__"]
    runserver.Command.server_cls = Handed
    execute_from_command_line(sys.argv)
else:
    wsgi, asgi = get_wsgi_application(), get_asgi_application()
