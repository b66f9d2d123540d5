"""Commands that run the hub: up, key, version."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

key = typer.Typer(no_args_is_help=True, help="API keys of sources.")

Home = Annotated[Path, typer.Option(envvar="MASTERCOPY_HOME", help="The hub's folder.")]
HOME = Path("mastercopy-home")


def register(app: typer.Typer) -> None:
    """Put the commands of this file on the command line."""
    app.command()(up)
    app.add_typer(key, name="key")


def up(
    home: Home = HOME,
    port: Annotated[int, typer.Option(envvar="MASTERCOPY_PORT", min=0, max=65535, help="Port of the web doors; 0 takes a free one.")] = 8080,
    host: Annotated[str, typer.Option(envvar="MASTERCOPY_HOST", help="Address of the web doors.")] = "127.0.0.1",
) -> None:
    """Run the hub until it is told to stop."""
    from config.settings import Settings
    from hub import run

    with run.Hub(Settings(home=home, port=port, host=host)) as hub:
        run.until_told(hub, lambda: typer.echo(f"Mastercopy is up: {hub.url}/status", err=True))


@key.command("create")
def key_create(system: str, home: Home = HOME) -> None:
    """Make a key for a source; it is shown once."""
    from hub.home import Home as Folder
    from master.sqlite.store import SqliteStore
    from routes import access, receive

    folder = Folder(home)
    folder.prepare()
    store = SqliteStore(folder.store)
    typer.echo(access.make(store.keys, system, receive.now()))
    store.close()
