"""The command line: every command in the file of its kind, loaded only as far as it is needed."""

from __future__ import annotations

import typer

from hub import cli_bench, cli_build, cli_dead, cli_demo, cli_look, cli_revision, cli_run, cli_send, output

app = typer.Typer(
    cls=output.Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # importing rich's markup takes longer than everything else that --help does
    help="Mastercopy: one master copy of customers, products and orders, for every system of a telecom operator.",
)
for part in (cli_run, cli_demo, cli_send, cli_look, cli_dead, cli_revision, cli_build, cli_bench):
    part.register(app)
