"""Commands that run the hub: up, key, version."""

from __future__ import annotations

import platform
from typing import Annotated

import typer

from hub import options, output

key = typer.Typer(no_args_is_help=True, help="API keys of sources.")


def register(app: typer.Typer) -> None:
    """Put the commands of this file on the command line."""
    app.command()(up)
    app.command()(version)
    app.add_typer(key, name="key")


def up(
    home: options.Home = options.HOME,
    port: Annotated[
        int, typer.Option(envvar="MASTERCOPY_PORT", min=0, max=65535, help="Port of the web doors; 0 takes a free one.")
    ] = 8080,
    host: Annotated[str, typer.Option(envvar="MASTERCOPY_HOST", help="Address of the web doors.")] = "127.0.0.1",
    log_level: Annotated[str, typer.Option("--log-level", envvar="MASTERCOPY_LOG_LEVEL", help="debug, info, warning or error.")] = "info",
    log_json: Annotated[bool, typer.Option("--log-json", envvar="MASTERCOPY_LOG_JSON", help="Logs as JSON, one object a line.")] = False,
) -> None:
    """Run the hub until it is told to stop. SIGHUP reads the configuration again."""
    from config.settings import Settings
    from hub import logs, run

    logs.set_up(log_level, as_json=log_json)
    settings = Settings(home=home, port=port, host=host, log_level=log_level, log_json=log_json)
    run.serve(settings, lambda hub: typer.echo(f"Mastercopy is up: {hub.url}/status", err=True))


@key.command("create")
def key_create(
    system: Annotated[str, typer.Argument(help="The system that will push with it.")],
    home: options.Home = options.HOME,
    form: output.Output = output.Form.table,
) -> None:
    """Make a key for a source. It is shown once: the hub keeps its digest only."""
    from hub import reach

    reach.prepare(home)
    answer = reach.act(home, "make_key", source=system)
    if form is output.Form.table:
        typer.echo(answer["key"])
    else:
        output.answer(answer, form, output.Lang.en)


@key.command("list")
def key_list(home: options.Home = options.HOME, form: output.Output = output.Form.table, lang: output.Language = output.Lang.en) -> None:
    """The keys by their beginning; the rest of them is not kept."""
    from hub import reach
    from routes import desk

    with reach.reading(home) as store:
        found = desk.keys(store)
    output.rows(found, ("source", "prefix", "created_at"), form, lang, "no keys: `mastercopy key create SYSTEM` makes one")


@key.command("revoke")
def key_revoke(
    prefix: Annotated[str, typer.Argument(help="The beginning of the key, as `key list` shows it.")],
    home: options.Home = options.HOME,
    form: output.Output = output.Form.table,
    lang: output.Language = output.Lang.en,
) -> None:
    """Withdraw a key. Pushes with it are refused within a second."""
    from hub import reach

    output.answer(reach.act(home, "revoke_key", prefix=prefix), form, lang)


def version(form: output.Output = output.Form.table) -> None:
    """Which one this is."""
    from monitor import about

    found = {"version": about.version(), "python": platform.python_version(), "engine": "sqlite"}
    if form is output.Form.table:
        typer.echo(f"Mastercopy {found['version']} (Python {found['python']}, SQLite)")
    else:
        output.answer(found, form, output.Lang.en)
