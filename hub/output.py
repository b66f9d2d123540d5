"""What commands print: tables, JSON or CSV on stdout; progress and errors on stderr; and the exit code that belongs to an error."""

from __future__ import annotations

import csv
import datetime
import enum
import io
import json
import os
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
import typer.core

from schemas import errors

WELL, PARTLY, USAGE, CONFIG, NOT_FOUND, REFUSED, UNREACHABLE, DIFFERENT = range(8)
_EXIT: dict[type[errors.MastercopyError], int] = {
    errors.NotFound: NOT_FOUND,
    errors.Unauthorized: REFUSED,
    errors.Forbidden: REFUSED,
    errors.HomeLocked: REFUSED,
    errors.Reject: REFUSED,
    errors.Retry: UNREACHABLE,
    errors.Stop: CONFIG,
    errors.MastercopyError: PARTLY,
}
_TIMES = ("_at", "at")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Form(enum.StrEnum):
    """How an answer is printed."""

    table = "table"
    json = "json"
    csv = "csv"


class Lang(enum.StrEnum):
    """The language of headings."""

    en = "en"
    zh = "zh"


Output = Annotated[Form, typer.Option("--output", "-o", envvar="MASTERCOPY_OUTPUT", help="How the answer is printed.")]
Language = Annotated[Lang, typer.Option("--lang", envvar="MASTERCOPY_LANG", help="Language of the headings.")]


class Commands(typer.core.TyperGroup):
    """The root of the command line: an error becomes one readable line and an exit code, never a traceback."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run the command."""
        try:
            return super().invoke(ctx)
        except errors.MastercopyError as error:
            fail(error)
        except BrokenPipeError:  # `| head` has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(WELL) from None
        except OSError as error:
            note(f"{error.strerror or error}: {error.filename}" if error.filename else str(error))
            raise typer.Exit(NOT_FOUND if isinstance(error, FileNotFoundError) else REFUSED) from error
        except Exception as error:
            if hasattr(error, "exit_code") or os.environ.get("MASTERCOPY_LOG_LEVEL") == "debug":
                raise
            note(f"This should not happen: {type(error).__name__}: {error}. MASTERCOPY_LOG_LEVEL=debug shows where; please report it")
            raise typer.Exit(PARTLY) from error


def exit_code(error: errors.MastercopyError) -> int:
    """Of the error's class, or of the nearest class above it."""
    return next(_EXIT[kind] for kind in type(error).__mro__ if kind in _EXIT)


def fail(error: errors.MastercopyError) -> None:
    """Say what is wrong, everything that was found with it, and end with the exit code of the error."""
    for each in error.all if isinstance(error, errors.Stop) else (error,):
        note(str(each))
    raise typer.Exit(exit_code(error))


def note(text: str) -> None:
    """One line on stderr."""
    typer.echo(clean(text), err=True)


def clean(text: str) -> str:
    """Text of others for a terminal: control characters and marks that turn the direction of writing are spelt out."""
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Co", "Cs") else f"\\u{ord(c):04x}" for c in text)


def rows(found: Sequence[Mapping[str, Any]], columns: Sequence[str], form: Form, lang: Lang, empty: str = "nothing") -> None:
    """A list. As JSON each row is whole; as table and CSV these columns."""
    if form is Form.json:
        document(list(found))
    elif form is Form.csv:
        _csv(found, columns)
    elif not found:
        note(empty)
    else:
        _table(found, columns, lang)


def answer(found: Mapping[str, Any], form: Form, lang: Lang, *, without: Sequence[str] = ()) -> None:
    """One answer: as JSON an object, else one row without these columns."""
    if form is Form.json:
        document(found)
    else:
        rows([found], [name for name in found if name not in without], form, lang)


def document(value: Any) -> None:
    """One JSON document."""
    typer.echo(json.dumps(value, ensure_ascii=not _unicode(), indent=2, default=str))


def _unicode() -> bool:
    return (sys.stdout.encoding or "").lower().startswith("utf")


def _csv(found: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_harmless(cell(name, row.get(name))) for name in columns] for row in found)
    typer.echo(buffer.getvalue(), nl=False)


def _harmless(text: str) -> str:
    """No spreadsheet may take it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) and not text.lstrip("-").replace(".", "", 1).isdigit() else text


def _table(found: Sequence[Mapping[str, Any]], columns: Sequence[str], lang: Lang) -> None:
    from rich import box, table, text

    from monitor import words

    grid = table.Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        numbers = all(isinstance(row.get(name), int | float) and not name.endswith(_TIMES) for row in found)
        grid.add_column(words.say(name, lang.value), justify="right" if numbers else "left", overflow="fold")
    for row in found:
        grid.add_row(*(text.Text(clean(words.say(cell(name, row.get(name)), lang.value))) for name in columns))
    show(grid)


def show(renderable: Any) -> None:
    """Something of rich's on stdout; wide where nobody looks at a terminal."""
    from rich import console

    width = None if sys.stdout.isatty() else max(160, int(os.environ.get("COLUMNS", "160")))
    console.Console(file=sys.stdout, width=width, highlight=False, emoji=False, markup=False).print(renderable)


def cell(name: str, value: Any) -> str:
    """One value as people read it: times in the local zone, documents as JSON."""
    if value is None:
        return ""
    if name.endswith(_TIMES) and isinstance(value, int):
        return when(value)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def when(at: int) -> str:
    """Microseconds since 1970 in the local zone."""
    return datetime.datetime.fromtimestamp(at / 1_000_000).astimezone().strftime("%Y-%m-%d %H:%M:%S")
