"""A real background task, which a failing call before it prevents: nothing of that is amiss."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from metaapps.filibuster.cli.commands import main

SHOP = """
import os
import baggage

baggage.instrument()

import requests, uvicorn
from fastapi import BackgroundTasks, FastAPI, HTTPException

app = FastAPI()

@app.get("/")
@app.get("/mail")
@app.get("/pay")
def fine():
    return "fine"

def mail():
    requests.get(os.environ["MAIL_URL"] + "/mail")

@app.get("/buy")
def buy(tasks: BackgroundTasks):
    tasks.add_task(mail)
    if requests.get(os.environ["BANK_URL"] + "/pay").status_code != 200:
        raise HTTPException(503)
    return "bought"

uvicorn.run(app, fd=int(os.environ["SERVICE_FD"]), log_level="warning")
"""
SERVICES = "".join(
    f'[services.{name}]\ncommand = ["{{python}}", "shop.py"]\n' for name in ("shop", "bank", "mail")
)
TEST = """
import os
import requests

def test_buying():
    assert requests.get(os.environ["SHOP_URL"] + "/buy").status_code in (200, 503)
"""
ANALYSIS = """
{"all": {"pattern": "requests\\\\.", "errors": [
    {"service_name": ".*", "types": [{"return_value": {"status_code": "503"}}]}
]}}
"""


def test_a_background_task_and_a_call_that_prevents_it_fail_apart_and_never_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in (
        ("shop.py", SHOP),
        ("services.toml", SERVICES),
        ("test_buying.py", TEST),
        ("analysis.json", ANALYSIS),
    ):
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    found = ["--services", "services.toml", "--functional-test", "test_buying.py"]
    with pytest.raises(SystemExit) as end:
        main(["run", *found, "--analysis-file", "analysis.json"])
    said = capsys.readouterr().out
    assert end.value.code == 0, said
    plans = re.findall(r"^Execution \d+  (.*?)  passed", said, re.MULTILINE)
    assert plans == ["no faults", "shop → mail GET /mail: 503", "shop → bank GET /pay: 503"]
    assert "explored 3 of 3, 0 pruned, stopped because every plan was judged" in said
