"""The command demo: a small operator and a hub at work in the terminal, or run through once and added up."""

from __future__ import annotations

import logging
import signal
import threading
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from hub.showcase import Plan, Showcase

_DIFFER, _PARTLY, _MISCONFIGURED = 7, 1, 3  # exit codes
_RATE = 40.0  # messages a second in later turns, so that there is time to watch
_PAUSE = 2.0  # seconds between turns


class Output(StrEnum):
    """How the sums are told."""

    table = "table"
    json = "json"


def register(app: typer.Typer) -> None:
    """Put the commands of this file on the command line."""
    app.command()(demo)


def demo(
    once: Annotated[bool, typer.Option("--once", help="Run through once, wait until all is quiet, add up and end.")] = False,
    customers: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many customers the operator has, beside telco's.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Which operator: the same seed makes the same data.")] = 1,
    home: Annotated[Path | None, typer.Option(help="Keep the store there; by default .demo, made afresh.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the web doors; 0 takes a free one.")] = 8080,
    output: Annotated[Output, typer.Option("-o", "--output", help="How the sums of --once are told.")] = Output.table,
) -> None:
    """Watch a small operator at work: CRM, BOSS, billing and telco send, three subscribers receive."""
    from hub import demo_home, showcase
    from schemas import errors

    plan = showcase.Plan(home or demo_home.FOLDER, home is None, customers, seed, port)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        code = _once(plan, stop, output) if once else _watch(plan, stop)
    except errors.MastercopyError as error:
        typer.echo(str(error), err=True)
        code = _MISCONFIGURED if isinstance(error, errors.Stop) else _PARTLY
    raise typer.Exit(code)


def _once(plan: Plan, stop: threading.Event, output: Output) -> int:
    from hub import demo_sums

    limit = 120 + plan.customers / 25
    with _working(plan) as show, _screen(show, to_stderr=True) as screen:
        started = time.monotonic()
        show.send(0)
        left = show.wait(stop, limit, screen.show)
        if left:
            when = "when it was told to stop" if stop.is_set() else f"after {limit:.0f} seconds"
            typer.echo(f"Not quiet {when}:\n" + "\n".join(f"  {one}" for one in left), err=True)
            return _PARTLY
        found = demo_sums.take(show, time.monotonic() - started)
    _tell(found.sums, output)
    for fault in found.faults:
        typer.echo(f"fault: {fault}", err=True)
    return _DIFFER if found.faults else 0


def _watch(plan: Plan, stop: threading.Event) -> int:
    with _working(plan) as show, _screen(show, to_stderr=False) as screen:
        turn = show.next_turn
        while not stop.is_set():
            show.send(turn, rate=_RATE if turn else None)
            while show.operator.sending and not stop.wait(0.25):
                screen.show()
            rested = time.monotonic() + _PAUSE
            while time.monotonic() < rested and not stop.wait(0.25):
                screen.show()
            turn += 1
    where = f" --home {plan.home}"
    typer.echo(
        "Stopped; everything is stored. To look around:\n"
        f"  mastercopy dead list{where}\n"
        f"  mastercopy trace 1{where}\n"
        f"  mastercopy golden show customer C00000001{where}\n"
        f"  mastercopy sub list{where}"
    )
    return 0


def _working(plan: Plan) -> Showcase:
    """The demo, with all logs in a file of its home: the terminal belongs to the table."""
    import structlog

    from hub.showcase import Showcase

    show = Showcase(plan)
    file = (show.home.folder / "hub.log").open("a", encoding="utf-8")
    logging.basicConfig(stream=file, level=logging.WARNING)
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(file))
    return show


def _screen(show: Showcase, *, to_stderr: bool) -> Any:
    from hub.demo_table import Screen

    return Screen(show.store, f"Mastercopy demo: {show.hub.url}/status, Ctrl-C ends it", to_stderr=to_stderr)


def _tell(sums: dict[str, Any], output: Output) -> None:
    import json

    from rich.console import Console
    from rich.table import Table

    if output is Output.json:
        typer.echo(json.dumps(sums, ensure_ascii=False))
        return
    table = Table("", "", title="Sums, in records", show_header=False)
    for name, value in sums.items():
        if isinstance(value, dict):
            for key, inner in value.items():
                table.add_row(f"{name} {key}", ", ".join(f"{k} {v}" for k, v in inner.items()) if isinstance(inner, dict) else str(inner))
        else:
            table.add_row(name, str(value))
    Console().print(table)
