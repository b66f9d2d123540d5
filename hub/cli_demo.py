"""The command demo: a small operator and a hub at work in the terminal, or run through once and added up."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub import output

if TYPE_CHECKING:
    from hub.demo_table import Screen
    from hub.showcase import Plan, Showcase

_PORT = 8080
_RATE = 40.0  # messages a second in later turns, so that there is time to watch
_PAUSE = 2.0  # seconds between turns


def register(app: typer.Typer) -> None:
    """Put the commands of this file on the command line."""
    app.command()(demo)


def demo(
    once: Annotated[bool, typer.Option("--once", help="Run through once, wait until all is quiet, add up and end.")] = False,
    customers: Annotated[int, typer.Option(min=4, max=1_000_000, help="How many customers the operator has, beside telco's.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Which operator: the same seed makes the same data.")] = 1,
    home: Annotated[Path | None, typer.Option(help="Keep the store there and go on with it; by default .demo, made afresh.")] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port of the web doors; 0, as with --once, takes a free one.", show_default=str(_PORT)),
    ] = None,
    form: output.Output = output.Form.table,
) -> None:
    """Watch a small operator at work: CRM, BOSS, billing and telco send, three subscribers receive. Ctrl-C ends it."""
    from hub import demo_home, foreground, showcase

    plan = showcase.Plan(home or demo_home.FOLDER, home is None, customers, seed, (0 if once else _PORT) if port is None else port)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with foreground.alone():
        code = _once(plan, stop, form) if once else _watch(plan, stop)
    raise typer.Exit(code)


def _once(plan: Plan, stop: threading.Event, form: output.Form) -> int:
    from hub import demo_sums

    limit = 120 + plan.customers / 25
    with _working(plan) as show:
        started = time.monotonic()
        with _screen(show, to_stderr=True) as screen:
            show.send(0)
            left = show.wait(stop, limit, screen.show)
        if left:
            when = "when it was told to stop" if stop.is_set() else f"after {limit:.0f} seconds"
            output.note("\n  ".join([f"Not quiet {when}:", *left]))
            return output.PARTLY
        found = demo_sums.take(show, time.monotonic() - started)
    if form is output.Form.json:
        output.document(found.sums)
    else:
        output.rows(list(_flat(found.sums)), ("figure", "value"), form, output.Lang.en)
    for fault in found.faults:
        output.note(f"Fault: {fault}")
    return output.DIFFERENT if found.faults else output.WELL


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
    typer.echo("Stopped; everything is stored. To look around:")
    for command in ("dead list", "trace 1", "golden show customer C00000001", "sub list"):
        typer.echo(f"  mastercopy {command} --home {plan.home}")
    return output.WELL


def _working(plan: Plan) -> Showcase:
    """The demo, with all logs in a file of its home: the terminal belongs to the table."""
    import logging

    import structlog

    from hub.showcase import Showcase

    show = Showcase(plan)
    file = (show.home.folder / "hub.log").open("a", encoding="utf-8")
    logging.basicConfig(stream=file, level=logging.WARNING, format="%(asctime)s [%(levelname)s] %(name)s: %(message)s")
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(file))
    return show


def _screen(show: Showcase, *, to_stderr: bool) -> Screen:
    from hub.demo_table import Screen

    return Screen(show.store, f"Mastercopy demo: {show.hub.url}/status, Ctrl-C ends it", to_stderr=to_stderr)


def _flat(sums: dict[str, Any], before: str = "") -> Iterator[dict[str, Any]]:
    for name, value in sums.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name} ")
        else:
            yield {"figure": f"{before}{name}", "value": value}
