"""The command line: every command in the file of its kind, loaded only as far as it is needed."""

from __future__ import annotations

import typer

from hub import cli_bench, cli_build, cli_demo, cli_look, cli_run

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Mastercopy: one master copy of customers, products and orders, for every system of a telecom operator.",
)
for part in (cli_run, cli_demo, cli_look, cli_build, cli_bench):
    part.register(app)
