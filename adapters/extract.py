"""What a manifest may ask of a file feed beyond loading: to take a file as the whole, and to tell its sender what was refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adapters import fields
from adapters.control import Control
from adapters.fields import Spot, opt


@dataclass(frozen=True, kw_only=True)
class Complete:
    """Each file holds all there is: keys that it lacks are withdrawn.

    Not if they are more than `withdraw_at_most` per cent of the live ones. `entities` are those that the file is the whole of; empty for
    all that its mapping makes.
    """

    withdraw_at_most: float = opt(fields.percent, 20.0)
    entities: tuple[str, ...] = opt(fields.texts, ())


@dataclass(frozen=True, kw_only=True)
class Rejects:
    """Refused rows go back beside the loaded file, in one named as that with `suffix` at its end."""

    suffix: str = opt(fields.text, ".rej")


def complete(value: Any, spot: Spot) -> Complete | None:
    """The key `complete:` of a feed: true, false, or a section."""
    if isinstance(value, bool):
        return Complete() if value else None
    return fields.read(Complete, value, spot)


def sense(rejects: Rejects | None, control: Control | None, spot: Spot) -> None:
    """Raises `BadManifest` where the reject file would be taken for something else."""
    if rejects and (not rejects.suffix.startswith(".") or "/" in rejects.suffix or (control and control.suffix == rejects.suffix)):
        at = spot.child("rejects").child("suffix")
        raise at.wrong("reject files need an ending of their own", rejects.suffix, "Write it as .rej")
