"""Options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from schemas import personal

Home = Annotated[Path, typer.Option("--home", envvar="MASTERCOPY_HOME", help="The hub's folder.")]
HOME = Path("mastercopy-home")
Reason = Annotated[str, typer.Option("--reason", help="Why; it stays on record.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen, with exact counts, and change nothing.")]
Reveal = Annotated[bool, typer.Option("--reveal", help="Show personal values; needs --reason.")]


def veil(reveal: bool, reason: str) -> personal.Veil:
    """What hides personal values from the answer. Those who see them say why."""
    from schemas import personal

    if reveal and not reason.strip():
        raise typer.BadParameter("personal values are shown for a reason: --reason")
    return personal.Clear() if reveal else personal.Veil()
