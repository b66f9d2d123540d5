"""Control totals of files: what the sender says of a file, in a file beside it or in its last line."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol

from adapters import fields as readers
from adapters.fields import Spot, need, opt
from schemas import errors

Name = Literal["name", "rows", "bytes", "sum", "md5", "sha256"]
NAMES = ("name", "rows", "bytes", "sum", "md5", "sha256")


def _columns(value: Any, spot: Spot) -> tuple[str, ...]:
    found = readers.texts(value, spot)
    for index, name in enumerate(found):
        if name not in (*NAMES, "-"):
            raise spot.child(index).wrong("not a control total", name, readers.nearest(name, NAMES))
    return found


@dataclass(frozen=True, kw_only=True)
class Control:
    """How the totals are written.

    `ctl`: a text file beside the data, one line of `fields` between `delimiter`s, or `pairs: true` for lines of name=value;
    named DATA + `suffix`, or with `replace: true` the data's own suffix replaced. `trailer`: the last row of the file, whose
    columns from 0 are `fields` (`-` for one that says nothing). `column` is the one that `sum` adds up.
    """

    kind: str = need(readers.choice("ctl", "trailer"))
    suffix: str = opt(readers.text, ".ctl")
    replace: bool = opt(readers.switch, False)
    fields: tuple[str, ...] = opt(_columns, ("name", "rows", "bytes", "md5"))
    delimiter: str = opt(readers.text, "|")
    pairs: bool = opt(readers.switch, False)
    column: str = opt(readers.text, "")
    encoding: str = opt(readers.choice("utf-8", "gb18030", "gbk", "ascii"), "utf-8")

    def beside(self, data: str) -> str:
        """The control file's name for a data file."""
        stem = data.rpartition(".")[0] if self.replace and "." in data[1:] else data
        return stem + self.suffix


def read(value: Any, spot: Spot) -> Control:
    """The `control:` section of a manifest."""
    found = readers.read(Control, value, spot)
    if "sum" in found.fields and not found.column:
        raise spot.wrong("a sum needs the column that it adds up", hint="Add column:")
    return found


class Totals(Protocol):
    """What a file really holds. `sum` is None where no column was asked for; `trailer` is its last line by column, empty if it has none."""

    @property
    def rows(self) -> int: ...

    @property
    def sum(self) -> Decimal | None: ...

    @property
    def trailer(self) -> Mapping[str, str]: ...


class Counted(NamedTuple):
    """Totals that somebody counted."""

    rows: int
    sum: Decimal | None = None
    trailer: Mapping[str, str] = MappingProxyType({})


def parse(control: Control, body: bytes) -> dict[str, str]:
    """The totals that a control file gives, by name. Raises `TotalsDiffer` for what cannot be read."""
    try:
        lines = [line.strip() for line in body.decode(control.encoding).lstrip("\ufeff").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise errors.TotalsDiffer(f"the control file is not {control.encoding}") from error
    if control.pairs:
        return {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}
    if len(lines) != 1:
        raise errors.TotalsDiffer(f"the control file has {len(lines)} lines instead of one")
    return _named(control, lines[0].split(control.delimiter))


def trailer(control: Control, totals: Totals) -> dict[str, str]:
    """The totals that a trailer gives, by name."""
    if not totals.trailer:
        raise errors.TotalsDiffer("the file has no trailer", hint="It may be half written")
    return _named(control, list(totals.trailer.values()))


def _named(control: Control, values: list[str]) -> dict[str, str]:
    if len(values) < len(control.fields):
        raise errors.TotalsDiffer(f"{len(values)} values stand where {len(control.fields)} are expected ({', '.join(control.fields)})")
    return {name: value.strip() for name, value in zip(control.fields, values, strict=False) if name != "-"}


def compare(said: Mapping[str, str], found: Mapping[str, object]) -> None:
    """Raises `TotalsDiffer` for the first total that is not as said; totals that nobody names are not compared."""
    for name, claim in said.items():
        if name in found and not _equal(name, claim, found[name]):
            raise errors.TotalsDiffer(f"{name}: {claim} announced, {found[name]} found", hint="Ask the sender to send the file again")


def _equal(name: str, claim: str, real: object) -> bool:
    if name in ("name", "md5", "sha256"):
        return claim.casefold() == str(real).casefold()
    try:
        return Decimal(re.sub(r"[,\s]", "", claim)) == real
    except InvalidOperation:
        return False


def write(control: Control, name: str, body: bytes, totals: Totals) -> bytes:
    """A control file for a data file."""
    values: dict[str, object] = {
        "name": name,
        "rows": totals.rows,
        "bytes": len(body),
        "sum": totals.sum if totals.sum is not None else 0,
        "md5": hashlib.md5(body, usedforsecurity=False).hexdigest(),
        "sha256": hashlib.sha256(body).hexdigest(),
        "-": "",
    }
    if control.pairs:
        text = "".join(f"{key}={values[key]}\n" for key in control.fields if key != "-")
    else:
        text = control.delimiter.join(str(values[key]) for key in control.fields) + "\n"
    return text.encode(control.encoding)
