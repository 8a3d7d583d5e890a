"""The `baggage` command line."""

from baggage.cli.commands import main

__all__ = ["main"]
