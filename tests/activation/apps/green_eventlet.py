"""A program that is patched by eventlet first of all, as eventlet asks for."""

# ruff: noqa: E402 - that is the point

import eventlet

eventlet.monkey_patch()

import socket

from green import see  # type: ignore[import-not-found, unused-ignore]

see(
    eventlet.spawn, "wait", [socket.socket.__module__, eventlet.patcher.is_monkey_patched("thread")]
)
