"""What patches the standard library is not in our way when we come first, nor are we in its."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.activation.programs import HERE, RUN, ran


@pytest.mark.parametrize(
    ("program", "socket"), [("gevent", "gevent._socket3"), ("eventlet", "eventlet.greenio.base")]
)
@pytest.mark.parametrize("metaapps", ["", "tracing,filibuster"])
def test_a_program_that_is_patched_after_activation_is_green_and_carries_baggage(
    program: str, socket: str, metaapps: str, tmp_path: Path
) -> None:
    traces = tmp_path / "traces.json"
    told = [f"TRACING_FILE={traces}", "FILIBUSTER_KEY=key", f"BAGGAGE_METAAPPS={metaapps}"]
    script = str(HERE / "apps" / f"green_{program}.py")
    answer = ran("env", *told, *RUN, "python", "-W", "ignore::DeprecationWarning", script)
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout) == {
        "thread": [1],
        "greenlet": [1],
        "carried": [True, True, True],
        "nobody": [],
        "green": [socket, True],
    }
    assert "Warning" not in answer.stderr.replace("EventletDeprecationWarning", "")
    assert "Traceback" not in answer.stderr
    assert traces.exists() is bool(metaapps)
