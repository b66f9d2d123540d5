"""What every format can do: check a body at the door, read its records, write records, cut long streams."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, BinaryIO, NamedTuple, Protocol

from schemas import errors
from schemas.envelope import Failure, Mapped, Piece
from transformers import options


class Row(NamedTuple):
    """One record. `number` counts from 0; `place` is a line, a JSON path or an element path, as people write it."""

    number: int
    place: str
    data: dict[str, Any]


class Bad(NamedTuple):
    """One record that cannot be used, and why."""

    number: int
    failure: Failure


class Totals(NamedTuple):
    """What a stream holds: its records, the sum of the column asked for, its head and trailer lines by column."""

    rows: int
    sum: Decimal | None
    head: dict[str, str]
    trailer: dict[str, str]


class Format(Protocol):
    """Bytes to records and back. Instances hold no state of a body and may be used from several threads.

    A body can be written in two steps, and in two processes: `write(records) == join([part(record) for record in records])`.
    Parts survive pickle, and any format built of the same mapping joins them.
    """

    @property
    def content_type(self) -> str:
        """What a written body is sent as."""

    def inspect(self, body: bytes) -> int:
        """The door's check: answers the number of records.

        Raises `Reject` only (`Undecodable`, `Unsafe`), with the place in the payload, for bodies that cannot be taken as a
        whole. Cheap and safe on hostile input.
        """

    def read(self, body: bytes) -> Iterator[Row | Bad]:
        """The records, numbered 0 to n-1 where n is what `inspect` answers; raises nothing.

        One bad record never spoils the others. A body that cannot be taken as a whole gives one `Bad` with number 0.
        """

    def excerpt(self, body: bytes, number: int) -> bytes:
        """A body of the same format with that record alone; the whole body where its records cannot be told apart."""

    def part(self, record: Mapped) -> Any:
        """One record as `join` takes it: in most formats finished bytes.

        Raises `Unencodable` with the field that does not fit, `SchemaViolation` with the one that breaks its column's rule. A
        record that passes makes a body alone.
        """

    def join(self, parts: Sequence[Any]) -> bytes:
        """One body of these parts, in this order; cheap.

        Raises `Misconfigured` for none or several parts where a body holds one record, and `Unencodable` where head or trailer
        cannot hold the totals of so many.
        """

    def write(self, records: Sequence[Mapped]) -> bytes:
        """One body with these records, in this order: their parts, joined. Raises as `part` and `join` do."""

    def split(self, stream: BinaryIO, rows: int) -> Iterator[Piece]:
        """Cut a stream into bodies of at most `rows` records, each standing alone: header repeated, head and trailer left out.

        Memory stays flat (a JSON document excepted). Raises `Reject` in the middle for a stream that cannot be read on; call
        `totals` first, which reads it to its end.
        """

    def totals(self, stream: BinaryIO, column: str = "") -> Totals:
        """Count the records of a stream and add up one column, for a comparison with a control file or trailer.

        Cells that are no number count as 0. Raises `Reject` as `split` does.
        """


def build(spec: Mapping[str, Any], files: Mapping[str, bytes], place: options.Locate = options.nowhere) -> Format:
    """Make the format that a manifest's `format:` mapping describes.

    `files` is the system's folder; `place(*path)` gives the place of a key of the mapping. Raises `BadManifest`,
    which carries every mistake.
    """
    given = options.Options(spec, files, place)
    try:
        made = _KINDS[given.choice("kind", _KINDS, "")](given)
    except errors.BadManifest as error:
        raise errors.together([*given.found, error]) from error
    if given.found:
        raise errors.together(given.found)
    return made


def files(spec: Mapping[str, Any], folder: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of the system's folder that a format uses: schemas, stylesheets."""
    return {name: folder[name] for name in spec.values() if isinstance(name, str) and name in folder}


def _json(given: options.Options) -> Format:
    from transformers import jsontext

    return jsontext.build(given)


def _xml(given: options.Options) -> Format:
    from transformers import xmlrecords

    return xmlrecords.build(given)


def _delimited(given: options.Options) -> Format:
    from transformers import delimited

    return delimited.build(given)


def _fixed(given: options.Options) -> Format:
    from transformers import fixedwidth

    return fixedwidth.build(given)


# Each is loaded when it is first asked for: lxml and its like stay out of commands that need no format.
_KINDS: dict[str, Callable[[options.Options], Format]] = {"json": _json, "xml": _xml, "delimited": _delimited, "fixed": _fixed}


def bad(number: int, error: errors.MastercopyError, place: str, payload: bytes) -> Bad:
    """The `Bad` of an error; the place inside the record follows the record's own."""
    path = " ".join(part for part in (place, error.place.path) if part)
    error.place = errors.Place()
    stage = "check" if isinstance(error, errors.SchemaViolation) else "decode"
    return Bad(number, Failure(stage, error.code, path, str(error), payload))  # type: ignore[arg-type]


def summed(column: str, rows: Iterator[Row | Bad]) -> Totals:
    """Totals of records that were read."""
    count, total = 0, Decimal(0)
    for row in rows:
        count += 1
        if column and isinstance(row, Row):
            total += amount(row.data.get(column, 0))
    return Totals(count, total if column else None, {}, {})


def added(cells: Sequence[str]) -> Decimal:
    """The sum of cells that are numbers."""
    digits = "".join(cells)
    if digits.isascii() and digits.isdigit():
        return Decimal(sum(int(cell) for cell in cells if cell))
    return sum(map(amount, cells), Decimal(0))


def amount(value: object) -> Decimal:
    """A cell as a number for sums: 0 where it is none."""
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return Decimal(0)
    return number if number.is_finite() else Decimal(0)
