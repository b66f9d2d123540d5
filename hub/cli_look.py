"""Commands that look: trace, golden, sub."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hub import options, output

golden = typer.Typer(no_args_is_help=True, help="The master copy.")
sub = typer.Typer(no_args_is_help=True, help="Subscriptions: who receives changes, and how far they are.")

_TALLIES = ("matched", "delivered", "superseded", "suppressed", "pending", "dead")
_SUBSCRIPTION = ("name", "state", "lag", "lag_seconds", *_TALLIES, "breaker", "retry_at", "reason")
_WHAT = "A golden id; or a source's own key, after the entity where several have it."
What = Annotated[list[str], typer.Argument(metavar="[ENTITY] KEY", help=_WHAT)]
Name = Annotated[str, typer.Argument(help="The subscription's name.")]


def register(app: typer.Typer) -> None:
    """Put the commands of this file on the command line."""
    app.command()(trace)
    app.add_typer(golden, name="golden")
    app.add_typer(sub, name="sub")


def trace(
    what: Annotated[str, typer.Argument(metavar="ID", help="A receipt, a caller's message id, a golden id, or a source's own key.")],
    home: options.Home = options.HOME,
    row: Annotated[int | None, typer.Option("--row", min=0, help="One record of the message, counted from 0.", show_default=False)] = None,
    rows: Annotated[int, typer.Option("--rows", min=1, help="How many records of a long message are shown.")] = 5,
    reveal: options.Reveal = False,
    reason: options.Reason = "",
    form: output.Output = output.Form.table,
    lang: output.Language = output.Lang.en,
) -> None:
    """One message's way: as it came, what each stage made of it and by which rule, what it changed, who received that."""
    import dataclasses

    from hub import journey, reach
    from routes import trace as traces

    options.veil(reveal, reason)
    with reach.reading(home) as store:
        found = traces.Trace(store, reach.archive(store, home))
        where = found.find(what)
        if row is not None:
            where = dataclasses.replace(where, row=row)
        answer = found.message(where, rows=rows, reveal=reveal)
    if form is output.Form.json:
        output.document(answer)
    elif form is output.Form.csv:
        output.rows(journey.events(answer), journey.COLUMNS, form, lang)
    else:
        journey.tell(answer, lang)


@golden.command("show")
def golden_show(
    what: What,
    home: options.Home = options.HOME,
    reveal: options.Reveal = False,
    reason: options.Reason = "",
    form: output.Output = output.Form.table,
    lang: output.Language = output.Lang.en,
) -> None:
    """One golden record: its newest state, and what each source says."""
    from hub import reach

    veil = options.veil(reveal, reason)
    with reach.reading(home) as store:
        record = store.views.golden(_golden(store, what)) or {}
    veil.state(record["entity"], record["state"])
    for member in record["members"]:
        veil.state(record["entity"], member["state"] or {})
    record = veil.tree(record)
    if form is output.Form.json:
        output.document(record)
        return
    sources = [f"{member['source']}:{member['key']}" for member in record["members"]]
    fields = [
        {
            "field": name,
            "golden": value,
            **{source: (m["state"] or {}).get(name) for source, m in zip(sources, record["members"], strict=True)},
        }
        for name, value in record["state"].items()
    ]
    if form is output.Form.table:
        live = "" if record["live"] else " (deleted)"
        typer.echo(f"{record['entity']} {record['id']}  version {record['version']}{live}  {output.when(record['at'])}")
    output.rows(fields, ("field", "golden", *sources), form, lang)


@golden.command("history")
def golden_history(
    what: What,
    home: options.Home = options.HOME,
    reveal: options.Reveal = False,
    reason: options.Reason = "",
    form: output.Output = output.Form.table,
    lang: output.Language = output.Lang.en,
) -> None:
    """Every version of one golden record, newest first: what changed, and which message did it."""
    from hub import reach

    veil = options.veil(reveal, reason)
    with reach.reading(home) as store:
        versions = store.views.history(_golden(store, what))
    for change in versions:
        veil.state(change.entity, change.state)
        veil.state(change.entity, {name: old for name, (old, _) in (change.changed or {}).items()})
    found: list[dict[str, Any]] = [veil.tree(change._asdict()) for change in versions]
    output.rows(found, ("version", "op", "at", "source", "message", "row", "seq", "changed"), form, lang)


def _golden(store: Any, what: list[str]) -> str:
    """The golden id that is meant. Raises `NotFound`, `Undecodable` when there are several."""
    from schemas import canonical, errors

    entity, key = (what[0], what[1]) if len(what) == 2 else (None, what[0])
    if len(what) > 2 or (entity is not None and entity not in canonical.entity_names()):
        raise typer.BadParameter(f"an entity is one of {', '.join(canonical.entity_names())}")
    if entity is None:
        try:
            if store.views.golden(key) is not None:
                return key
        except errors.NotFound:
            pass  # no golden id, then it is a key
    found = [(each, one) for each in ([entity] if entity else canonical.entity_names()) for one in store.views.find_golden(key, each)]
    if not found:
        raise errors.NotFound(f"no golden record has the key {key!r}", hint="Give a source's own key, or a golden id")
    if len(found) > 1:
        listed = ", ".join(f"{each} {one}" for each, one in found)
        raise typer.BadParameter(f"{key!r} is the key of several: {listed}; name the entity, or the golden id")
    return str(found[0][1])


@sub.command("list")
def sub_list(
    home: options.Home = options.HOME,
    form: output.Output = output.Form.table,
    lang: output.Language = output.Lang.en,
) -> None:
    """Every subscription: state, lag in changes and seconds, what became of its changes, when its endpoint is tried again."""
    from hub import reach
    from routes import receive, subscribers

    with reach.reading(home) as store:
        found = subscribers.overview(store, receive.now())
    output.rows(found, _SUBSCRIPTION, form, lang, "no subscriptions: add a route to hub.yaml")


@sub.command("pause")
def sub_pause(
    name: Name,
    reason: Annotated[str, typer.Option("--reason", help="Why; it stays on record.")],
    home: options.Home = options.HOME,
    form: output.Output = output.Form.table,
    lang: output.Language = output.Lang.en,
) -> None:
    """Stop delivering. What changes meanwhile waits."""
    from hub import reach

    output.answer(reach.act(home, "pause", name=name, reason=reason), form, lang)


@sub.command("resume")
def sub_resume(
    name: Name,
    home: options.Home = options.HOME,
    form: output.Output = output.Form.table,
    lang: output.Language = output.Lang.en,
) -> None:
    """Deliver again, at once, everything that waits."""
    from hub import reach

    output.answer(reach.act(home, "resume", name=name), form, lang)
