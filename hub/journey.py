"""A trace as people read it in a terminal: one stage after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer

from hub import output
from monitor import words

COLUMNS = ("at", "stage", "row", "outcome", "subscription", "id", "version", "detail")
_LONGEST = 2_000  # characters of a payload in a terminal; -o json has it whole


def tell(trace: dict[str, Any], lang: output.Lang) -> None:
    """Print it."""

    def say(word: str) -> str:
        return words.say(word, lang.value)

    head = trace["message"]
    _title(f"{say('message')} {head['receipt']}  {head['source']}/{head['feed']}  {say(head['state'])}")
    _line(say("received_at"), f"{output.when(head['received_at'])}  {head['bytes']} {say('bytes')}, {head['records']} {say('records')}")
    if head["message_id"]:
        _line(say("id"), head["message_id"])
    if head["outcome"]:
        _line(say("outcome"), "  ".join(f"{say(name)} {count}" for name, count in head["outcome"].items() if count))
    if trace["parent"]:
        _line(say("parent"), f"{say('letter')} {trace['parent']['letter']}, {say('message')} {trace['parent']['receipt']}")
    for child in trace["children"]:
        _line(say("children"), f"{say('message')} {child['receipt']} ({say('letter')} {child['letter']})")
    if trace["others"]:
        _line(say("others"), ", ".join(trace["others"][:20]))
    made = trace["revision"]
    today = "" if made["current"] else "  (not today's)"
    _line(say("revision"), f"{made['revision'] or '-'}  {made['hash'][:12]}{today}  {made['note']}")
    _block(say("raw"), head["raw"])
    for record in trace["records"]:
        _record(record, say)
    if len(trace["records"]) < head["records"]:
        output.note(f"{len(trace['records'])} of {head['records']} records shown: --rows N, --row N")
    for letter in trace["letters"]:
        _letter(letter, say)


def _record(record: dict[str, Any], say: Callable[[str], str]) -> None:
    _title(f"{say('row')} {record['row']}  {record['place']}")
    if record["decoded"] is not None:
        _block(say("decoded"), output.cell("", record["decoded"]))
    for found in record["canonical"]:
        if "state" in found:
            _line(say("canonical"), f"{found['entity']} {found['key']}  {found['op']}")
            _block("", output.cell("", found["state"]))
        for value in found["values"]:
            if value["after"] is None or not value["target"]:
                continue
            _line(
                "", f"  {value['target']} = {output.cell('', value['after'])}   <- {value['source']} {value['before']!r}  {value['rule']}"
            )
    if record["failure"]:
        failure = record["failure"]
        _line(say(failure["stage"]), f"{failure['code']}  {failure['path']}: {failure['reason']}")
    for letter in record["letters"]:
        _letter(letter, say)
    for change in record["changes"]:
        _change(change, say)


def _change(change: dict[str, Any], say: Callable[[str], str]) -> None:
    _line(
        say("changed"),
        f"{change['op']} {change['entity']} {change['id']}  {say('version')} {change['version']}  {output.when(change['at'])}",
    )
    if change["changed"] is not None:
        _block("", output.cell("", change["changed"]))
    for delivery in change["deliveries"]:
        again = f"  {say('tries again')} {output.when(delivery['tried_again_at'])}" if delivery.get("tried_again_at") else ""
        _line(delivery["subscription"], f"{say(delivery['state'])}  {delivery.get('event', '')}  {delivery.get('reason', '')}{again}")
        for attempt in delivery["attempts"]:
            times = f"{output.when(attempt['started_at'])}  {(attempt['finished_at'] - attempt['started_at']) / 1000:.1f} ms"
            _line("", f"  {times}  {say(attempt['outcome'])}  {attempt['detail']}")
        if "sent" in delivery:
            _block(f"  {say('sent')}", delivery["sent"])


def _letter(letter: dict[str, Any], say: Callable[[str], str]) -> None:
    _line(say("letter"), f"{letter['id']}  {say(letter['state'])}  {letter['stage']} {letter['code']}  {letter['reason']}")
    if letter["state"] == "dead":
        _line("", f"mastercopy dead show {letter['id']} --payload > corrected; mastercopy dead replay {letter['id']} --body corrected")


def _title(text: str) -> None:
    typer.secho(output.clean(text), bold=True)


def _line(name: str, text: str) -> None:
    typer.echo(output.clean(f"  {name:<14} {text}".rstrip()))


def _block(name: str, text: str) -> None:
    cut = text[:_LONGEST] + (" ..." if len(text) > _LONGEST else "")
    _line(name, cut.rstrip().replace("\n", "\n" + " " * 17))


def events(trace: dict[str, Any]) -> list[dict[str, Any]]:
    """The trace as a flat list, for CSV: one line for each stage, change and attempt."""
    head = trace["message"]
    found = [
        {"at": head["received_at"], "stage": "receive", "outcome": head["state"], "id": head["receipt"], "detail": head["message_id"] or ""}
    ]
    for record in trace["records"]:
        row = record["row"]
        if record["failure"]:
            failure = record["failure"]
            found.append({"stage": failure["stage"], "row": row, "outcome": failure["code"], "detail": failure["reason"]})
        for change in record["changes"]:
            found.append({"stage": "apply", "row": row, "outcome": change["op"]} | {name: change[name] for name in ("at", "id", "version")})
            for delivery in change["deliveries"]:
                base = {
                    "stage": "deliver",
                    "row": row,
                    "subscription": delivery["subscription"],
                    "id": change["id"],
                    "version": change["version"],
                }
                found.append(base | {"outcome": delivery["state"], "detail": delivery.get("reason", "")})
                found += [
                    base | {"at": each["finished_at"], "outcome": each["outcome"], "detail": each["detail"]}
                    for each in delivery["attempts"]
                ]
    return found
