"""stock: counts what is left of an item, by gRPC."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import grpc

import baggage

LEFT = {b"tea": b"12", b"honey": b"3"}

baggage.instrument()


def count(item: bytes, _: grpc.ServicerContext) -> bytes:
    return LEFT.get(item, b"0")


def main() -> None:
    # gRPC can't take over a socket that listens; it binds the same port once that is closed.
    os.close(int(os.environ["SERVICE_FD"]))
    server = grpc.server(ThreadPoolExecutor(8))
    methods = {"Count": grpc.unary_unary_rpc_method_handler(count)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Stock", methods),))
    server.add_insecure_port(urlsplit(os.environ["STOCK_URL"]).netloc)
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
