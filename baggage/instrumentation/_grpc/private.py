"""The parts of gRPC that are not public, and ship no types: named here, and nowhere else.

What an application calls ends in their classes, also with channels and servers that exist already.
Interceptors are public, but only join channels and servers that are yet to be made.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

channel: Final[Any] = import_module("grpc._channel")
common: Final[Any] = import_module("grpc._common")
server: Final[Any] = import_module("grpc._server")
utilities: Final[Any] = import_module("grpc._utilities")
core: Final[Any] = import_module("grpc._cython.cygrpc")
aio_call: Final[Any] = import_module("grpc.aio._call")
aio_channel: Final[Any] = import_module("grpc.aio._channel")
aio_interceptor: Final[Any] = import_module("grpc.aio._interceptor")
aio_server: Final[Any] = import_module("grpc.aio._server")
