"""Conformance suites for instrumentations and meta-applications, yours included.

A suite is a class of pytest tests. Inherit, say how your library is used, and its properties are
tried with real sockets, threads and exceptions. Needs `pytest` and `hypothesis`.

    from baggage.testing import HttpClientSuite
    import my_client, my_instrumentation  # says `instrument(boundary, switch)`

    class TestMyClient(HttpClientSuite):
        instrumentation = my_instrumentation

        def sender(self):
            session = my_client.Session()
            return session.get                 # a function of a URL

        def sender_with(self, headers):
            return lambda url: my_client.get(url, headers=headers)

        def hasty(self):
            return lambda url: my_client.get(url, timeout=0.05)

        def streaming(self):
            return lambda url: my_client.get(url, stream=True).chunks()

        test_each_retry_that_the_hook_can_see_is_an_attempt = None  # my_client never retries

    class TestMyServer(HttpServerSuite):
        instrumentation = my_server_instrumentation

        @contextmanager
        def serving(self, view):               # `view()` returns a body, a stream or a status
            with my_server.run(lambda request: view()) as address:
                yield address

    class TestMyCalls(RpcSuite):
        instrumentation = my_rpc_instrumentation

        @contextmanager
        def serving(self, service):            # what it raises as `Refused` ends a call with a code
            with my_rpc.serve(lambda call: service.answer(call.request, call.metadata)) as address:
                yield address

        def calling(self, address, metadata=()):
            client = self.resources.enter_context(my_rpc.connect(address))
            return lambda request: client.call(request, metadata)

        def streaming(self, address): ...      # likewise, of `service.answers`
        def hasty(self, address): ...          # as `calling`, but waits 0.2 s for an answer

        def code(self, error):
            return error.code.value

    class TestMyThreads(SpawnSuite):
        instrumentation = my_threads_instrumentation

        def spawn(self, work):
            return my_threads.start(work).result  # what waits for it

    class TestMyQueue(QueueSuite):
        instrumentation = my_queue_instrumentation
        full, empty = my_queue.Full, my_queue.Empty

        def queue(self, size=0):
            return my_queue.Queue(size)        # and so on: `stack`, `heap`, `put`, `get`, `done`

    class TestMyBroker(BrokerSuite):
        instrumentation = my_broker_instrumentation

        def destination(self):
            return my_broker.create(f"orders-{uuid4()}")

        def publish(self, destination, body=b"", headers={}):
            return my_broker.publish(destination, body, headers)

        def consume(self, destination, work, *, again=False):
            message = my_broker.take(destination)   # or in a callback of your library's
            try:
                work(Taken(message.body, message.headers, message))
            finally:
                message.give_back() if again else message.done()

    class TestMyTasks(TaskSuite):
        instrumentation = my_loop_instrumentation

        def spawn(self, work):
            task = my_loop.start(work())       # `work()` is a coroutine
            return lambda: task                # to be awaited

    class TestMyTool(MetaAppSuite):
        def metaapp(self):
            return MyTool()

A property that does not hold by a library's nature is taken out by name, as above; of lending, all
are by `lends = False`. `Recorder` and
`Scripted` are meta-applications for tests of your own; `Origin` is a server that remembers what it
was asked, `Parcel` a library made of little but headers. `audited` is a fixture for your
`conftest.py`: a test under it says `assert not audited.findings`.
"""

from baggage.testing import _rewrite as _rewrite  # isort: skip - before what it is about
from baggage.testing.apps import Crossed, Recorder, Scripted
from baggage.testing.auditing import audited
from baggage.testing.broker import BrokerSuite, Taken
from baggage.testing.http_client import HttpClientSuite, Send
from baggage.testing.http_server import HttpServerSuite, View
from baggage.testing.metaapp import MetaAppSuite
from baggage.testing.origin import HANG, RESET, Origin, Received, Reply
from baggage.testing.parcel import Parcel, ParcelAdapter, ParcelLate, ParcelRefused, ParcelReturned
from baggage.testing.queueing import QueueSuite, Worker
from baggage.testing.rpc import Refused, RpcSuite, Service
from baggage.testing.spawn import SpawnSuite, Wait, Work
from baggage.testing.tasks import AsyncWait, AsyncWork, TaskSuite

__all__ = [
    "HANG",
    "RESET",
    "AsyncWait",
    "AsyncWork",
    "BrokerSuite",
    "Crossed",
    "HttpClientSuite",
    "HttpServerSuite",
    "MetaAppSuite",
    "Origin",
    "Parcel",
    "ParcelAdapter",
    "ParcelLate",
    "ParcelRefused",
    "ParcelReturned",
    "QueueSuite",
    "Received",
    "Recorder",
    "Refused",
    "Reply",
    "RpcSuite",
    "Scripted",
    "Send",
    "Service",
    "SpawnSuite",
    "Taken",
    "TaskSuite",
    "View",
    "Wait",
    "Work",
    "Worker",
    "audited",
]
