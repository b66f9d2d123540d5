"""The command that pushes a file as a source would: send."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from hub import options, output


def register(app: typer.Typer) -> None:
    """Put the command of this file on the command line."""
    app.command()(send)


def send(
    feed: Annotated[str, typer.Argument(metavar="SYSTEM/FEED", help="For example crm/customers.")],
    file: Annotated[str, typer.Argument(help="The body; - is stdin.")] = "-",
    home: options.Home = options.HOME,
    key: Annotated[str, typer.Option("--key", envvar="MASTERCOPY_KEY", help="The source's key: push through the HTTP door.")] = "",
    url: Annotated[str, typer.Option("--url", help="Another hub than the one of --home; needs --key.")] = "",
    message_id: Annotated[str, typer.Option("--id", help="The message's id: sent twice it counts once.")] = "",
    content_type: Annotated[str, typer.Option("--content-type", help="As the source would say it.")] = "",
    wait: Annotated[float, typer.Option("--wait", min=0, max=60, help="Seconds to wait for the outcome.")] = 0.0,
    form: output.Output = output.Form.table,
    lang: output.Language = output.Lang.en,
) -> None:
    """Push a body as its source would, and print the receipt; with --wait what became of it.

    With a key it goes through the HTTP door. Without one it goes through the hub that runs in --home, or into its store where none
    runs: for any protocol. Ends with 1 when some records could not be used.
    """
    if "/" not in feed:
        raise typer.BadParameter("a feed is written SYSTEM/FEED")
    if url and not key:
        raise typer.BadParameter("another hub asks for a key: --key")
    body = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    if key:
        answer = _through_the_door(home, url, feed, body, key, message_id, content_type, wait)
    else:
        answer = _through_the_desk(home, feed, body, message_id, content_type, wait)
    if form is output.Form.json:
        output.document(answer)
    else:
        _told(answer, form, lang)
    if answer.get("failures"):
        raise typer.Exit(output.PARTLY)


def _through_the_door(
    home: Path, url: str, feed: str, body: bytes, key: str, message_id: str, content_type: str, wait: float
) -> dict[str, Any]:
    from hub import reach
    from hub.home import Home
    from schemas import errors

    control = None if url else Home(home).control()
    if not url and control is None:
        raise errors.EndpointDown(f"no hub runs in {home}", hint="Start it with `mastercopy up`, or send without --key")
    headers = {"Authorization": f"Bearer {key}", "Content-Type": content_type or "application/octet-stream"}
    if message_id:
        headers["Idempotency-Key"] = message_id
    if wait:
        headers["Prefer"] = f"wait={round(wait) or 1}"
    answer: dict[str, Any] = json.loads(reach.request(url or (control.url if control else ""), "POST", f"/in/{feed}", body, headers))
    return answer


def _through_the_desk(home: Path, feed: str, body: bytes, message_id: str, content_type: str, wait: float) -> dict[str, Any]:
    from hub import reach
    from routes import outcome

    source, name = feed.split("/", 1)
    answer = reach.act(home, "push", source=source, feed=name, body=body, message_id=message_id or None, content_type=content_type)
    if not wait:
        return answer
    deadline = time.monotonic() + wait
    with reach.reading(home) as store:
        while True:
            found = outcome.outcome(store, int(answer["receipt"]))
            if found is not None:
                return answer | found
            if time.monotonic() > deadline:
                output.note("not applied yet; `mastercopy trace` tells later")
                return answer
            time.sleep(0.05)


def _told(answer: dict[str, Any], form: output.Form, lang: output.Lang) -> None:
    head = {name: answer[name] for name in ("receipt", "duplicate", "records")} | answer.get("outcome", {})
    output.rows([head], tuple(head), form, lang)
    if form is output.Form.table:
        for change in answer.get("golden", ()):
            typer.echo(f"{change['op']} {change['entity']} {change['id']} version {change['version']}")
        for failure in answer.get("failures", ()):
            output.note(f"dead letter {failure['letter']}, row {failure['row']}: {failure['reason']}")
