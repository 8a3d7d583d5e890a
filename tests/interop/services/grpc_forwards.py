"""A service of gRPC that passes each call on to the address in it; it knows nothing of baggage."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import grpc


def forward(request: bytes, context: grpc.ServicerContext) -> bytes:
    with grpc.insecure_channel(request.decode()) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes]
        call = channel.unary_unary("/relay.Relay/Forward")
        return call(b"", timeout=300)


server = grpc.server(ThreadPoolExecutor(4))
handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]]
handlers = {"Forward": grpc.unary_unary_rpc_method_handler(forward)}
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("relay.Relay", handlers),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)  # noqa: T201
server.wait_for_termination()
