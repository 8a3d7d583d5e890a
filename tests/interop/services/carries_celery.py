"""A worker of Celery that says what it sees, and who has it work: `worker` or `ask TENANT`."""

import json
import os
import sys

from celery import Celery

import baggage

app = Celery("carries", broker=os.environ["BROKER"], backend=os.environ["BROKER"])
app.conf.task_default_queue = os.environ["QUEUE"]


@app.task(name="look")  # type: ignore[untyped-decorator]  # Celery ships no types
def look() -> list[object]:
    baggage.pack("seen", len(baggage.unpack("tenant")))
    return [*baggage.unpack("tenant"), *baggage.unpack("seen")]


if sys.argv[1] == "worker":
    app.worker_main(["worker", "--pool=solo", "--loglevel=error", "--without-mingle"])
else:
    for carried in (*({"tenant": tenant} for tenant in sys.argv[2:]), {}):
        with baggage.attached(baggage.Baggage()) as running:
            for name, tenant in carried.items():
                baggage.pack(name, tenant)
            seen = look.delay().get(timeout=300)
            print(json.dumps({"seen": seen, "brought": running.unpack("seen")}))  # noqa: T201
