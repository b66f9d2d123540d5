"""Commands that measure: bench."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from hub import output


class Name(enum.StrEnum):
    """What is measured."""

    ingest = "ingest"
    file = "file"


def register(app: typer.Typer) -> None:
    """Put the commands of this file on the command line."""
    app.command()(bench)


def bench(
    name: Annotated[Name, typer.Argument(help="ingest: single records over HTTP; file: a large file over SFTP beside pushes.")],
    messages: Annotated[int, typer.Option(min=100, help="ingest: how many records are pushed.")] = 60_000,
    connections: Annotated[int, typer.Option(min=1, help="ingest: over how many connections.")] = 64,
    rows: Annotated[int, typer.Option(min=1000, help="file: how many rows the file has.")] = 200_000,
    rate: Annotated[float | None, typer.Option(min=1, help="Pushes a second. Without it: as fast as answered; file: 200.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Where the hub's home stands meanwhile: the disk that is measured.")] = None,
    form: output.Output = output.Form.table,
) -> None:
    """Measure a whole hub: authentication on, three subscribers, the load from another process. It takes a minute or more."""
    from hub import bench as benches
    from hub import logs

    logs.set_up("warning", as_json=False)
    if name is Name.ingest:
        found = benches.ingest(messages, connections=connections, rate=rate, folder=folder)
    else:
        found = benches.file(rows, rate=rate or 200.0, folder=folder)
    if form is output.Form.json:
        output.document(found)
    else:
        output.rows([{"figure": name, "value": value} for name, value in found.items()], ["figure", "value"], form, output.Lang.en)
