"""Services of one application that share a broker."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.brokers import unique

_HERE: Final = Path(__file__).parent
_SERVICE: Final = """
[services.{name}]
command = ["{{python}}", "{app}"]
env = {{ BROKER_URL = "{url}", ORDERS = "{orders}" }}
ready = "/health-check"
"""


def described(directory: Path, application: str, names: Iterable[str], url: str) -> Path:
    """Write the file of services that are told where a broker is, and what is theirs there."""
    file = directory / "services.toml"
    named = {"app": _HERE / application / "app.py", "url": url, "orders": unique("orders")}
    file.write_text("".join(_SERVICE.format(name=name, **named) for name in names))
    return file
