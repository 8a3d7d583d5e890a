"""What a command says about bad input."""

from __future__ import annotations

import click


class Refused(click.ClickException):
    """One line about bad input; the command ends with code 2."""

    exit_code = 2
