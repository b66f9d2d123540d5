"""Commands for what may be taken back: revisions of mappings, and what a full extract withdraws."""

from __future__ import annotations

from typing import Annotated

import typer

from hub import options, output

revision = typer.Typer(no_args_is_help=True, help="Mappings and routes as they were: list, show, restore.")

_REVISION = ("revision", "of", "state", "first_at", "hash")
_EXTRACT = ("feed", "file", "action", "absent", "failed", "entities", "reason")
Number = Annotated[int, typer.Argument(min=1, help="The revision's number, as `revision list` shows it.")]


def register(app: typer.Typer) -> None:
    """Put the commands of this file on the command line."""
    app.add_typer(revision, name="revision")
    app.command()(withdraw)


@revision.command("list")
def list_(
    home: options.Home = options.HOME,
    of: Annotated[str, typer.Option("--of", help="Of this feed (SYSTEM/FEED) or route only.")] = "",
    form: output.Output = output.Form.table,
    lang: output.Language = output.Lang.en,
) -> None:
    """Every revision that was ever in use, newest first: whose it is, since when, and which one is in use now."""
    from hub import reach

    found = [row for row in reach.revisions(home) if of in ("", row["of"])]
    output.rows(found, _REVISION, form, lang, "no revisions: they are kept when they are first used")


@revision.command("show")
def show(
    number: Number,
    home: options.Home = options.HOME,
    file: Annotated[str, typer.Option("--file", help="Print this file of it alone.")] = "",
    form: output.Output = output.Form.table,
    lang: output.Language = output.Lang.en,
) -> None:
    """The files of one revision."""
    from hub import reach
    from routes.revisions import Revisions
    from schemas import errors

    with reach.reading(home) as store:
        found = Revisions(store, home, lambda: reach.archive(store, home).setup).show(number)
    if file:
        if file not in found["files"]:
            raise errors.NotFound(f"revision {number} has no file {file!r}", hint=f"It has {', '.join(found['files'])}")
        typer.echo(found["files"][file], nl=False)
    elif form is output.Form.json:
        output.document(found)
    else:
        output.rows([{"file": name, "bytes": len(text.encode())} for name, text in found["files"].items()], ("file", "bytes"), form, lang)


@revision.command("restore")
def restore(
    number: Number,
    home: options.Home = options.HOME,
    dry_run: options.DryRun = False,
    form: output.Output = output.Form.table,
    lang: output.Language = output.Lang.en,
) -> None:
    """Write the files of a revision into the home and let the running hub read them: mappings roll back without a restart.

    Shows what differs; look at it first with --dry-run. What is wrong with them is told, and then nothing is changed.
    """
    from hub import reach

    answer = reach.act(home, "restore", revision=number, dry_run=dry_run)
    if form is output.Form.table:
        for change in answer["changes"]:
            typer.echo(output.clean(f"{change['file']}\n{change['difference']}\n"))
    output.answer(answer, form, lang, without=("changes",))


def withdraw(
    feed: Annotated[str, typer.Argument(metavar="SYSTEM/FEED", help="A file feed whose files are complete.")],
    home: options.Home = options.HOME,
    reason: options.Reason = "",
    dry_run: options.DryRun = False,
    form: output.Output = output.Form.table,
    lang: output.Language = output.Lang.en,
) -> None:
    """Withdraw the keys that the feed's last full extract lacks, though they are too many or some of its rows failed.

    An alarm says when an extract waits for this. --dry-run counts them; without it a --reason is needed.
    """
    from hub import reach

    if "/" not in feed:
        raise typer.BadParameter("a feed is written SYSTEM/FEED")
    source, name = feed.split("/", 1)
    answer = reach.act(home, "withdraw", source=source, feed=name, reason=reason, dry_run=dry_run)
    if form is output.Form.json:
        output.document(answer)
    else:
        output.rows([answer], _EXTRACT, form, lang)
