"""Which self-test is whose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from baggage.doctor.probes import branches, brokers, clients, processes, queues, rpc, servers
from baggage.doctor.probes.probe import Probe

PROBES: Final[Mapping[str, Probe]] = {
    "requests": Probe(clients.by_requests),
    "urllib3": Probe(clients.by_urllib3),
    "http.client": Probe(clients.by_http_client),
    "httpx": Probe(clients.by_httpx),
    "httpx2": Probe(clients.by_httpx2),
    "aiohttp": Probe(clients.by_aiohttp),
    "aiohttp.web": Probe(servers.by_aiohttp),
    "flask": Probe(servers.by_flask),
    "django": Probe(servers.by_django),
    "wsgiref.handlers": Probe(servers.by_wsgiref),
    "gunicorn": Probe(servers.by_gunicorn),
    "waitress": Probe(servers.by_waitress),
    "starlette": Probe(servers.by_starlette),
    "uvicorn": Probe(servers.by_uvicorn),
    "hypercorn": Probe(servers.by_hypercorn),
    "grpc": Probe(rpc.by_grpc),
    "grpc.aio": Probe(rpc.by_grpc_aio),
    "threading": Probe(branches.by_threading),
    "concurrent.futures": Probe(branches.by_thread_pool),
    "asyncio": Probe(branches.by_asyncio),
    "uvloop": Probe(branches.by_uvloop),
    "gevent": Probe(branches.by_gevent),
    "eventlet": Probe(branches.by_eventlet),
    "subprocess": Probe(processes.by_subprocess, home=False),
    "os": Probe(processes.by_fork, home=False),
    "multiprocessing": Probe(processes.by_process),
    "concurrent.futures.process": Probe(processes.by_process_pool),
    "multiprocessing.pool": Probe(processes.by_multiprocessing_pool),
    "queue": Probe(queues.by_queue, home=False),
    "asyncio.queues": Probe(queues.by_asyncio_queue, home=False),
    "multiprocessing.queues": Probe(queues.by_process_queue, home=False),
    "celery": Probe(brokers.by_celery),
    "pika": Probe(brokers.by_pika, home=False),
    "redis": Probe(brokers.by_redis, home=False),
    "aiokafka": Probe(brokers.by_aiokafka, home=False),
}
