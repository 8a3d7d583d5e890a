"""gRPC, by hand and by helpers."""
from concurrent import futures

import grpc
from grpc import StatusCode as Code

import orders_pb2
import orders_pb2_grpc


def refuse(context, code, text):
    context.abort(code, text)


class Orders(orders_pb2_grpc.OrdersServicer):
    def __init__(self, stock):
        self.stock = stock

    def Place(self, request, context):
        if request.count < 1:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "how many?")
        if request.count > 100:
            refuse(context, Code.RESOURCE_EXHAUSTED, "too many")
        return self._place(request, context)

    def _place(self, request, context):
        try:
            return self.stock.Take(request, timeout=1)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.DATA_LOSS:
                print("comparing is not answering", grpc.StatusCode.ABORTED)
            context.set_code(grpc.StatusCode.UNAVAILABLE)
            context.set_details("no stock")
            return orders_pb2.Order()

    def Cancel(self, request, context):
        context.set_code(Code.OK)
        raise NotImplementedError()

    def _never_called(self, request, context):
        context.abort(Code.PERMISSION_DENIED, "unreachable")


def serve():
    server = grpc.server(futures.ThreadPoolExecutor())
    orders_pb2_grpc.add_OrdersServicer_to_server(Orders(None), server)
    server.start()


if __name__ == "__main__":
    serve()
