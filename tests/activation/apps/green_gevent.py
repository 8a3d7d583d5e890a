"""A program that is patched by gevent first of all, as gevent asks for."""

# ruff: noqa: E402 - that is the point

from gevent import monkey

monkey.patch_all()

import socket

import gevent
from green import see  # type: ignore[import-not-found, unused-ignore]

see(gevent.spawn, "get", [socket.socket.__module__, monkey.is_module_patched("threading")])
