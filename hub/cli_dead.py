"""Commands for dead letters: list, show, replay, discard."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from hub import options, output

dead = typer.Typer(no_args_is_help=True, help="Records that could not be used, and keys that a subscriber refuses.")

_GROUP = ("fingerprint", "state", "place", "stage", "code", "path", "letters", "records", "first_at", "last_at", "reason")
_LETTER = ("id", "state", "from", "stage", "code", "message", "row", "records", "last_at", "reason")
_SLICE = 500  # letters in one call to the hub

Number = Annotated[int | None, typer.Argument(help="The letter's number, as `dead list` shows it.", show_default=False)]
State = Annotated[str, typer.Option("--state", help="dead, waiting, resolved or discarded.")]
Stage = Annotated[str, typer.Option("--stage", help="receive, decode, check, map, canonical, apply or deliver.")]
Code = Annotated[str, typer.Option("--code", help="The class of the error.")]
Source = Annotated[str, typer.Option("--source", help="The system that it came from.")]
Feed = Annotated[str, typer.Option("--feed", help="The feed of the source.")]
Subscription = Annotated[str, typer.Option("--subscription", help="The subscriber that refuses.")]
Fingerprint = Annotated[str, typer.Option("--fingerprint", help="One kind of failure, as `dead list --groups` shows it.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="At most so many.")]
AtMost = Annotated[int, typer.Option("--limit", min=0, help="At most so many; 0: all.")]
Rate = Annotated[float, typer.Option("--rate", min=0, help="Letters a second at most; 0: as fast as it goes.")]
Everything = Annotated[bool, typer.Option("--all", help="Every letter that matches the filters.")]


def register(app: typer.Typer) -> None:
    """Put the commands of this file on the command line."""
    app.add_typer(dead, name="dead")


@dead.command("list")
def list_(
    home: options.Home = options.HOME,
    state: State = "",
    stage: Stage = "",
    code: Code = "",
    source: Source = "",
    feed: Feed = "",
    subscription: Subscription = "",
    fingerprint: Fingerprint = "",
    groups: Annotated[bool, typer.Option("--groups", help="Kinds of failures instead of single letters.")] = False,
    limit: Limit = 50,
    form: output.Output = output.Form.table,
    lang: output.Language = output.Lang.en,
) -> None:
    """What could not be used, newest first: where, why, and what to do about it. Settled letters only with --state."""
    from hub import reach
    from routes import trace
    from schemas import personal

    veil = personal.Veil()  # a subscriber's own words may hold anything
    filters = _filters(stage, code, source, feed, subscription, fingerprint)
    with reach.reading(home) as store:
        if groups:
            output.rows(veil.tree(store.letters.groups(limit)), _GROUP, form, lang, "no dead letters")
            return
        found = [
            letter
            for wanted in ([state] if state else ["dead", "waiting"])
            for letter in store.letters.select(state=wanted, filters=filters, limit=limit)
        ]
        newest = sorted(found, key=lambda letter: -letter.id)[:limit]
        rows = [trace.letter_row(letter) | {"from": letter.subscription or f"{letter.source}/{letter.feed}"} for letter in newest]
    output.rows(veil.tree(rows), _LETTER, form, lang, "no dead letters")


@dead.command("show")
def show(
    number: Annotated[int, typer.Argument(help="The letter's number.")],
    home: options.Home = options.HOME,
    payload: Annotated[bool, typer.Option("--payload", help="Write the payload alone to stdout, byte for byte, to correct it.")] = False,
    reveal: options.Reveal = False,
    reason: options.Reason = "",
    form: output.Output = output.Form.table,
    lang: output.Language = output.Lang.en,
) -> None:
    """One letter in full. Personal values in its payload are hidden; --payload writes it as it came, to be corrected."""
    from hub import reach
    from routes import trace
    from schemas import errors

    veil = options.veil(reveal, reason)
    with reach.reading(home) as store:
        letter = store.letters.get(number)
        if letter is None:
            raise errors.NotFound(f"no dead letter {number}", hint="`mastercopy dead list` shows them")
        if payload:
            sys.stdout.buffer.write(letter.payload or b"")
            return
        shown = trace.Trace(store, reach.archive(store, home)).payload(letter, veil)
    row: dict[str, Any] = {**trace.letter_row(letter), "reason": veil.text(letter.reason), "payload": shown}
    if form is output.Form.table:
        output.rows([{"field": name, "value": output.cell(name, value)} for name, value in row.items()], ("field", "value"), form, lang)
    elif form is output.Form.json:
        output.document(row)
    else:
        output.rows([row], tuple(row), form, lang)


@dead.command("replay")
def replay(
    number: Number = None,
    home: options.Home = options.HOME,
    body: Annotated[str, typer.Option("--body", help="A corrected copy: a file, or - for stdin.")] = "",
    everything: Everything = False,
    state: State = "dead",
    stage: Stage = "",
    code: Code = "",
    source: Source = "",
    feed: Feed = "",
    subscription: Subscription = "",
    fingerprint: Fingerprint = "",
    limit: AtMost = 0,
    rate: Rate = 0.0,
    reason: options.Reason = "",
    dry_run: options.DryRun = False,
    form: output.Output = output.Form.table,
    lang: output.Language = output.Lang.en,
) -> None:
    """Send a record in again, as it was or corrected (--body), in its old place in the order; or try a refused key again.

    What would fail as before is refused with the reason, and nothing is stored. Without a number: everything that matches the filters.
    """
    from hub import reach

    filters = _filters(stage, code, source, feed, subscription, fingerprint)
    if number is not None:
        copy = {"body": _read(body)} if body else {}
        output.answer(reach.act(home, "replay", letter=number, reason=reason, dry_run=dry_run, **copy), form, lang)
        return
    if body:
        raise typer.BadParameter("a corrected copy answers one letter: give its number")
    _in_bulk(
        home, "replay", {"reason": reason, "state": state, "filters": filters, "dry_run": dry_run}, everything, limit, rate, form, lang
    )


@dead.command("discard")
def discard(
    reason: Annotated[str, typer.Option("--reason", help="Why; it stays on record.")],
    number: Number = None,
    home: options.Home = options.HOME,
    everything: Everything = False,
    state: State = "dead",
    stage: Stage = "",
    code: Code = "",
    source: Source = "",
    feed: Feed = "",
    subscription: Subscription = "",
    fingerprint: Fingerprint = "",
    limit: AtMost = 0,
    rate: Rate = 0.0,
    dry_run: options.DryRun = False,
    form: output.Output = output.Form.table,
    lang: output.Language = output.Lang.en,
) -> None:
    """Settle a letter without its content. The letter and the reason stay on record."""
    from hub import reach

    filters = _filters(stage, code, source, feed, subscription, fingerprint)
    if number is not None:
        output.answer(reach.act(home, "discard", letter=number, reason=reason, dry_run=dry_run), form, lang)
        return
    _in_bulk(
        home, "discard", {"reason": reason, "state": state, "filters": filters, "dry_run": dry_run}, everything, limit, rate, form, lang
    )


def _in_bulk(
    home: Path, action: str, values: dict[str, Any], everything: bool, limit: int, rate: float, form: output.Form, lang: output.Lang
) -> None:
    """Slice by slice, with progress on stderr. Ends with 1 when some could not be settled."""
    from hub import reach

    if not (values["filters"] or everything):
        raise typer.BadParameter("give a letter's number, a filter, or --all")
    total: dict[str, Any] = {
        "action": action,
        "dry_run": values["dry_run"],
        "matched": 0,
        "eligible": 0,
        "not_eligible": {},
        "failures": [],
    }
    before: int | None = None
    while True:
        size = min(_SLICE, max(1, int(rate * 5)) if rate else _SLICE, limit - total["eligible"] if limit else _SLICE)
        part = reach.act(home, "bulk", action=action, before=before, limit=size, rate=rate, **values)
        total["matched"] += part["matched"]
        total["eligible"] += part["eligible"]
        total["failures"] += part["failures"]
        for why, count in part["not_eligible"].items():
            total["not_eligible"][why] = total["not_eligible"].get(why, 0) + count
        before = part["next"]
        if before is None or (limit and total["eligible"] >= limit):
            break
        output.note(f"{total['eligible']} of {total['matched']} letters so far")
    output.answer(total, form, lang, without=("failures",))
    if total["not_eligible"] and not values["dry_run"]:
        raise typer.Exit(output.PARTLY)


def _filters(stage: str, code: str, source: str, feed: str, subscription: str, fingerprint: str) -> dict[str, str]:
    named = {"stage": stage, "code": code, "source": source, "feed": feed, "subscription": subscription, "fingerprint": fingerprint}
    if "/" in feed:
        named["source"], named["feed"] = feed.split("/", 1)
    return {name: value for name, value in named.items() if value}


def _read(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
