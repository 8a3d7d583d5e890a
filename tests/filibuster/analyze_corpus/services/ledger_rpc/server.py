import grpc.aio
from google.rpc import code_pb2, status_pb2
from grpc_status import rpc_status

import ledger_pb2_grpc


class Ledger(ledger_pb2_grpc.LedgerServicer):
    async def Read(self, request, context):
        status = status_pb2.Status(code=code_pb2.NOT_FOUND, message="no such entry")
        await context.abort_with_status(rpc_status.to_status(status))


class FullLedger(Ledger):
    async def Write(self, request, context: grpc.aio.ServicerContext):
        await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "closed")
