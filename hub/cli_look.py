"""Commands of this kind."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Put the commands of this file on the command line."""
