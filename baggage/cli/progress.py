"""What is shown on a terminal while a command works, and nowhere else."""

from __future__ import annotations

import sys

import click


class Progress:
    """One line on standard error that is written over again, if that is a terminal."""

    def __init__(self) -> None:
        """Show nothing yet."""
        self._over = 0
        self._width = 0

    def __call__(self, what: str, _: object = None) -> None:
        """Say what is done."""
        self._over += 1
        self._write(f"{self._over} tried, the last one {what}")

    def over(self) -> None:
        """Take the line away."""
        self._write("")

    def _write(self, text: str) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r{text.ljust(self._width)}", nl=False, err=True)
            self._width = len(text)
            if not text:
                click.echo("\r", nl=False, err=True)
