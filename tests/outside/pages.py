"""The project's pages, as the tests read them: fenced blocks, links and commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = (
    *("README.md", "ARCHITECTURE.md", "RATIONALE.md", "CHANGELOG.md", "CONTRIBUTING.md"),
    *("docs/index.md", "docs/filibuster.md", "docs/meta-applications.md", "docs/wire.md"),
    *(
        "docs/activation.md",
        "docs/boundaries.md",
        "docs/opentelemetry.md",
        "docs/audit.md",
        "docs/spans.md",
        "docs/causality.md",
    ),
)
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_ASSIGNMENT = re.compile(r"[A-Z_]+=")


class Block(NamedTuple):
    """A fenced block: its language, and its text without its indentation."""

    language: str
    text: str


def read(page: str) -> str:
    return (ROOT / page).read_text()


def blocks(page: str, language: str) -> list[str]:
    """Return the texts of a page's blocks in one language, in order."""
    return [block.text for block in _blocks(page) if block.language == language]


def prose(page: str) -> str:
    """Return a page without its blocks."""
    return _BLOCK.sub("", read(page))


def links(page: str) -> list[str]:
    """Return the files that a page links to, relative to it."""
    found = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", prose(page))
    return [target for target in found if "://" not in target]


def quoted(page: str) -> list[str]:
    """Return what a page has in backquotes."""
    return re.findall(r"`([^`\n]+)`", prose(page))


def commands(page: str) -> list[list[str]]:
    """Return the commands of a page's console blocks, in words, without assignments."""
    lines = [line for text in blocks(page, "console") for line in text.splitlines()]
    split = [shlex.split(line[2:], comments=True) for line in lines if line.startswith("$ ")]
    return [[word for word in words if not _ASSIGNMENT.match(word)] for words in split]


def _blocks(page: str) -> Iterator[Block]:
    for indentation, language, text in _BLOCK.findall(read(page)):
        yield Block(language, re.sub(f"^{indentation}", "", text, flags=re.MULTILINE))
