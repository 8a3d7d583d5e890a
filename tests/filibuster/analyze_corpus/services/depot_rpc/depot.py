"""gRPC in the asynchronous spelling, with codes from a table and exceptions of its own."""
import grpc

import depot_pb2
import depot_pb2_grpc


class Refusal(Exception):
    def __init__(self, code, text):
        self.code = code
        self.text = text


class Damaged(Refusal):
    def __init__(self):
        super().__init__(grpc.StatusCode.DATA_LOSS, "damaged")


CODES = {
    "locked": grpc.StatusCode.FAILED_PRECONDITION,
    "late": grpc.StatusCode.DEADLINE_EXCEEDED,
}


class Depot(depot_pb2_grpc.DepotServicer):
    async def Fetch(self, request, context):
        try:
            return self.fetch(request.name)
        except Refusal as refusal:
            await context.abort(refusal.code, refusal.text)

    def fetch(self, name):
        if name in CODES:
            raise Refusal(CODES[name], name)
        if name == "broken":
            raise Damaged()
        return depot_pb2.Parcel(name=name)

    async def Watch(self, request, context):
        async for change in self.changes():
            yield change
        context.set_code(grpc.StatusCode.OUT_OF_RANGE)
