"""Servers are run as they are, and their workers carry what a request brings, and nothing else."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from tests.activation.programs import HERE, RUN, served

ALONE = "--no-control-socket"  # what newer ones would leave in the home directory
SETTINGS = import_module("gunicorn.config").KNOWN_SETTINGS
KNOWN = [flag for setting in SETTINGS for flag in setting.cli or ()]
GUNICORN = f"gunicorn {ALONE if ALONE in KNOWN else ''} --timeout 300 --bind fd://{{fd}}"
OPTIONS = [flag for each in import_module("uvicorn.main").main.params for flag in each.opts]
HEALTHY = "--timeout-worker-healthcheck"  # or else a worker is ended that is slow for seconds
UVICORN = f"uvicorn {HEALTHY + ' 300' if HEALTHY in OPTIONS else ''} --fd {{fd}}"
COMMANDS = {
    "gunicorn": f"{GUNICORN} shop:app",
    "gunicorn, loaded before it forks": f"{GUNICORN} --workers 2 --preload shop:app",
    "gunicorn with threads": f"{GUNICORN} --threads 2 shop:app",
    "gunicorn with gevent": f"{GUNICORN} --worker-class gevent shop:app",
    "gunicorn and no framework": f"{GUNICORN} shop:plain",
    "gunicorn with threads and no framework": f"{GUNICORN} --threads 2 --preload shop:plain",
    "gunicorn with gevent and no framework": f"{GUNICORN} --worker-class gevent shop:plain",
    "uvicorn": "uvicorn --fd {fd} ashop:app",
    "uvicorn with workers": f"{UVICORN} --workers 2 ashop:app",
    "uvicorn that reloads": "uvicorn --fd {fd} --reload ashop:app",
    "uvicorn and Django": "uvicorn --fd {fd} djshop:asgi",
    "hypercorn": "hypercorn --bind fd://{fd} ashop:app",
    "flask": "flask --app shop run --no-reload",
    "a module": "python -m flask --app shop run --no-reload",
}
BY_WAITRESS = """
import socket, sys, waitress, djshop
waitress.serve(djshop.wsgi, sockets=[socket.socket(fileno=int(sys.argv[1]))], threads=1)
"""
HANDED = {"WERKZEUG_SERVER_FD": "{fd}", "WERKZEUG_RUN_MAIN": "true"}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_server_carries_what_a_request_brings_and_nothing_of_another(
    name: str, tmp_path: Path
) -> None:
    command = COMMANDS[name].split()
    log = tmp_path / "log"
    with served([*RUN, "--", *command], log, **(HANDED if "flask" in command else {})) as service:
        answers = [service.ask(tenant) for tenant in ("blue", "", "red", "", "blue")]
    seen = [answer["tenant"] for answer in answers]
    assert seen == [["blue"], [], ["red"], [], ["blue"]], log.read_text()
    assert seen == [answer["behind"] for answer in answers]
    program = command[2] if command[1] == "-m" else command[0]
    assert {answer["service"] for answer in answers} == {program}
    assert ("gevent" in command) is ("gevent.threading" in {it.get("green") for it in answers})
    text = log.read_text().replace(str(HERE), "")  # the clone may well be called so itself
    assert "Traceback" not in text
    assert "Warning: " not in text
    assert "baggage" not in text


def test_djangos_own_server_is_one_too_and_reloads(tmp_path: Path) -> None:
    command = [*RUN, "--", "python", "djshop.py", "runserver"]
    with served(command, tmp_path / "log", SERVICE_FD="{fd}") as service:
        answers = [service.ask(tenant) for tenant in ("blue", "", "red")]
    assert [answer["tenant"] for answer in answers] == [["blue"], [], ["red"]]
    assert [answer["behind"] for answer in answers] == [["blue"], [], ["red"]]
    assert {answer["service"] for answer in answers} == {"djshop"}


@pytest.mark.parametrize("exclude", ["waitress", "django"])
def test_a_request_is_one_behind_a_server_that_nobody_knows_and_in_a_framework_so(
    exclude: str, tmp_path: Path
) -> None:
    command = [*RUN, "--exclude", exclude, "--", "python", "-c", BY_WAITRESS, "{fd}"]
    with served(command, tmp_path / "log") as service:
        answers = [service.ask(tenant) for tenant in ("blue", "", "red")]
    assert [answer["tenant"] for answer in answers] == [["blue"], [], ["red"]]


def test_a_service_is_called_as_it_is_told(tmp_path: Path) -> None:
    command = [*RUN, "--service", "shop", "--", *COMMANDS["uvicorn with workers"].split()]
    with served(command, tmp_path / "log") as service:
        assert service.ask()["service"] == "shop"


@pytest.mark.parametrize(("start", "app"), [(RUN, "shop:plain"), ((), "shop:make()")])
@pytest.mark.parametrize("threads", [1, 2])
def test_what_an_application_of_no_framework_packs_is_gone_with_its_request(
    threads: int, start: tuple[str, ...], app: str, tmp_path: Path
) -> None:
    command = [*start, *GUNICORN.split(), "--threads", str(threads), app]
    with served(command, tmp_path / "log") as service:
        answers = [service.ask(tenant) for tenant in ("blue", "", "red")]
    assert [answer["tenant"] for answer in answers] == [["blue"], [], ["red"]]
    assert [answer["packed"] for answer in answers] == [[1]] * 3
