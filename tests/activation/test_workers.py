"""Workers of task queues are run as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.activation.programs import HERE, RUN, said, served
from tests.brokers import unique


@pytest.mark.parametrize("pool", ["prefork", "gevent"])
def test_a_celery_worker_carries_what_a_task_brings_and_nothing_of_another(
    pool: str, redis_url: str, tmp_path: Path
) -> None:
    told = {"BROKER": redis_url, "QUEUE": unique("jobs")}
    worker = f"celery -A jobs worker --pool {pool} --concurrency 1"
    quiet = "--without-mingle --without-gossip --without-heartbeat"
    log = tmp_path / "log"
    with served([*RUN, "--", *worker.split(), *quiet.split()], log, **told):
        seen = said(*RUN, "python", "clerk.py", cwd=HERE / "apps", **told)
    assert seen == [
        [["blue", "celery"], ["done"]],
        [["celery"], ["done"]],
        [["red", "celery"], ["done"]],
    ]
    assert "Traceback" not in log.read_text()
