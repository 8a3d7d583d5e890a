"""Tasks of a Celery application, for a worker process and for those who call it.

Where its broker is says the environment: nobody but the worker reads it there.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from subprocess import PIPE, STDOUT, Popen
from typing import Any, Final

from celery import Celery, Task, chord, signals, states
from celery.backends.base import KeyValueStoreBackend
from celery.contrib.testing.worker import start_worker
from celery.exceptions import Ignore, Reject

import baggage
from baggage.boundary import Kind, Raised
from baggage.context import pack, unpack
from baggage.testing.apps import Recorder
from baggage.testing.suite import eventually
from tests.brokers import unique

IN_WORKER: Final = "BAGGAGE_TEST_CELERY_QUEUE"
PATIENCE: Final = 300
app = Celery("tests.instrumentation.celery_tasks", set_as_current=False)
app.conf.update(
    broker_connection_retry_on_startup=True,
    broker_connection_timeout=PATIENCE,
    worker_proc_alive_timeout=PATIENCE,
    worker_enable_remote_control=False,
    task_create_missing_queues=True,
    task_send_sent_event=True,
    redis_socket_timeout=PATIENCE,
    result_expires=600,
    result_chord_retry_interval=0.1,
)
recorder = Recorder()


def task(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Make a task of a function."""
    return app.task(**options)  # type: ignore[no-any-return]


@contextmanager
def working(of: Celery, **options: Any) -> Iterator[None]:
    """Run a worker in this process, which leaves the process's logging alone."""
    signals.setup_logging.connect(_leave_alone)
    try:
        with start_worker(of, perform_ping_check=False, **options):
            yield
    finally:
        signals.setup_logging.disconnect(_leave_alone)


def _leave_alone(**_: object) -> None:
    """Be asked, so that Celery doesn't set logging up by itself."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a broker is, where results are stored, and the queue that is this test's own."""

    broker: str
    backend: str
    queue: str

    def configure(self) -> None:
        """Have the application in this process use it, whatever it used before."""
        app.conf.update(
            broker_url=self.broker, result_backend=self.backend, task_default_queue=self.queue
        )
        vars(app).pop("amqp", None)
        app._pool = app._backend_cache = None
        app._local = _BACKENDS.setdefault(self, threading.local())
        # Or else it's named after the process: who read another site's results would take these.
        vars(app._local).setdefault("oid", unique("replies"))


# Where threads read a site's results: kept, for what was read before still tells it of its end.
_BACKENDS: Final[dict[Site, threading.local]] = {}


@contextmanager
def serving(site: Site, *options: str) -> Iterator[Site]:
    """Run a worker, in a process of its own, until the block ends."""
    command = [sys.executable, "-m", "celery", "-A", __name__, "worker", "-l", "info"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    environment = {**os.environ, IN_WORKER: f"{site.broker} {site.backend} {site.queue}"}
    worker = Popen(
        [*command, *quiet, "-n", unique("worker"), *options],
        env=environment,
        stdout=PIPE,
        stderr=STDOUT,
        text=True,
        start_new_session=True,
    )
    assert worker.stdout is not None
    said: list[str] = []
    for line in worker.stdout:
        said.append(line)
        if " ready." in line:
            break
    else:
        raise AssertionError("".join(said))
    drain = threading.Thread(target=lambda: said.extend(worker.stdout or ()))
    drain.start()
    try:
        yield site
    finally:
        gc.collect()  # Results that are thrown away tell their backend so: now, while there is one.
        os.killpg(worker.pid, signal.SIGKILL)  # with the processes of its pool
        worker.wait(PATIENCE)
        drain.join()
        worker.stdout.close()
        # pytest shows it where a test failed.
        sys.stdout.write("".join(said))


@task()
def tenants() -> list[Any]:
    return list(unpack("tenant"))


@task()
def known() -> list[Any]:
    return sorted(map(str, unpack("steps")))


@task()
def step(name: str, before: object = None) -> list[Any]:
    """Pack a name, after telling which others are known."""
    known = sorted(map(str, unpack("steps")))
    pack("steps", name)
    return known


@task()
def after(before: object, name: str) -> list[Any]:
    """Do as `step`, after another task's result."""
    return step.run(name)  # type: ignore[no-any-return]


@task()
def idle(before: object = None) -> None:
    """Pack nothing."""


@task(ignore_result=True)
def unheard(name: str) -> None:
    pack("steps", name)


@task()
def failing(name: str) -> None:
    pack("steps", name)
    raise KeyError(name)


@task(bind=True, max_retries=3)
def retried(self: Task, times: int) -> list[Any]:
    """Fail so often, each time with a name packed; then return what is known."""
    if self.request.retries < times:
        pack("steps", f"try {self.request.retries}")
        raise self.retry(countdown=0, exc=KeyError(times))
    _see_noted(self)
    return sorted(map(str, unpack("steps")))


def _see_noted(again: Task) -> None:
    """Wait until it is stored that a task is tried again.

    Celery sends it first, and stores that second: over its result, if that was there by then.
    """
    if again.request.retries and isinstance(again.backend, KeyValueStoreBackend):
        eventually(lambda: again.backend.get_state(again.request.id) == states.RETRY)


@task(bind=True)
def headers(self: Task) -> dict[str, Any]:
    """Return the headers that a task can see."""
    return dict(self.request.headers or {})


@task()
def told() -> list[dict[str, Any]]:
    """Return what flows were told in this process since the last time, of whatever kind."""
    crossed, recorder.ended[:] = list(recorder.ended), []
    return [
        {
            "kind": each.call.kind.value,
            "library": each.call.library,
            "operation": each.call.operation.rpartition(".")[2],
            "site": each.call.site.function,
            "source": each.call.source,
            "delivery": each.call.delivery,
            "raised": each.outcome.name if isinstance(each.outcome, Raised) else "",
        }
        for each in crossed
    ]


@task()
def ignored() -> None:
    raise Ignore


@task(acks_late=True)
def rejected() -> None:
    raise Reject("no", requeue=False)


@task()
def sends() -> None:
    """Send another task, which nobody waits for."""
    idle.delay()


@task(bind=True)
def replaced(self: Task, name: str) -> None:
    pack("steps", name)
    raise self.replace(after.si(None, f"{name} replaced"))


@task(bind=True)
def replaced_by_a_chord(self: Task, name: str) -> None:
    pack("steps", name)
    header = [step.si(f"{name} 1"), step.si(f"{name} 2")]
    raise self.replace(chord(header, after.s(f"{name} 3")))


@task()
def applies() -> str:
    """Apply a chord; return the id of its body, for which nobody waits here."""
    body = chord([step.s("a"), step.s("b")])(after.s("z"))
    return str(body.id)


@task()
def give_up(request: Any, error: object, traceback: object) -> None:
    """Be an error callback, which its worker calls; have another task told of it."""
    known.apply_async(task_id=f"{request.id} gave up")


@task(bind=True, acks_late=True, reject_on_worker_lost=True)
def killed(self: Task) -> list[Any]:
    """End with the worker's process, unless it was delivered before."""
    if not self.request.delivery_info["redelivered"]:
        pack("steps", "lost")
        os.kill(os.getpid(), signal.SIGKILL)
    call = next(each.call for each in reversed(recorder.begun) if each.call.kind is Kind.CONSUMER)
    return [call.delivery, *unpack("tenant"), *unpack("steps")]


@task(time_limit=1)
def endless() -> None:
    time.sleep(PATIENCE)


@task()
def patient() -> None:
    """Take too long: a worker says so by this signal, whatever the task is at."""
    pack("steps", "patient")
    signal.raise_signal(signal.SIGUSR1)


class Called(Task):  # type: ignore[misc]  # it ships no types
    """A task class with all that applications override."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return [*unpack("tenant"), *self.run(*args, **kwargs)]

    def before_start(self, *_: Any) -> None:
        pack("steps", "before")

    def on_success(self, *_: Any) -> None:
        self.app.backend.client.rpush(self.request.args[0], *map(str, unpack("tenant")))


@task(base=Called)
def called(key: str) -> list[Any]:
    return [*unpack("steps")]


def _instrument() -> None:
    """Be the worker: instrumented as applications are, with all that they have."""
    broker, backend, queue = os.environ[IN_WORKER].split()
    Site(broker, backend, queue).configure()
    baggage.instrument(service="work")
    baggage.register(recorder)


if IN_WORKER in os.environ:
    _instrument()
