"""What the demo's systems send is what their folders say: good records pass every stage, bad ones fail where their label says."""

from __future__ import annotations

import functools
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters import catalogue, control
from demo import badness, billing, boss, bulk, crm, feeds, telco
from schemas import canonical, checks, errors
from transformers import formats, mapping

SIZE = 150


@functools.cache
def feed(path: str) -> tuple[Any, formats.Format, checks.Check | None, mapping.Mapping]:
    """The feed's manifest, format, schema and mapping from the packaged folders."""
    system, _, name = path.partition("/")
    found = catalogue.load([catalogue.PACKAGED]).system(system)
    told = found.manifest.feeds[name]
    check = checks.Check(json.loads(found.files[told.schema]), told.schema) if told.schema else None
    return told, formats.build(told.format, found.files), check, mapping.parse(found.files, told.mapping, system=system)


def verdicts(path: str, body: bytes) -> Iterator[tuple[str, str, Any]]:
    """For each record of a body: stage and code of its failure, or ("", "", what was mapped)."""
    _, form, check, rules = feed(path)
    try:
        form.inspect(body)
    except errors.Reject as error:
        yield "receive", error.code, None
        return
    for row in form.read(body):
        if isinstance(row, formats.Bad):
            yield row.failure.stage, row.failure.code, None
        elif check is not None and not check.ok(row.data):
            yield "check", "SchemaViolation", None
        else:
            yield _mapped(rules, row.data)


def _mapped(rules: mapping.Mapping, data: dict[str, Any]) -> tuple[str, str, Any]:
    try:
        found = rules.run(data)
    except errors.MappingFailure as error:
        return "map", error.code, str(error)
    wrong = [line for one in found for line in canonical.validator(one.kind).explain(one.state)]
    return ("canonical", "NotCanonical", wrong) if wrong else ("", "", found)


def bodies(path: str, body: bytes) -> Counter[str]:
    """The entities that a good body gives."""
    found = list(verdicts(path, body))
    assert [verdict for verdict in found if verdict[0]] == []
    return Counter(one.kind for _, _, mapped in found for one in mapped)


@pytest.mark.parametrize("turn", [0, 2])
def test_crm_and_boss_send_what_their_folders_say(turn: int) -> None:
    """Every record passes decode, check, map and the canonical schema; the door counts as many as were sent."""
    for push in (*crm.pushes(1, SIZE, turn), *boss.pushes(1, SIZE, turn)):
        assert sum(bodies(push.source, push.body).values()) == push.records == feed(push.source)[1].inspect(push.body)


@pytest.mark.parametrize("turn", [0, 1])
def test_billing_files_agree_with_their_control_files_and_pass(turn: int) -> None:
    """As the manifest defines both."""
    for file in (billing.catalogue(), billing.accounts(1, SIZE, turn)):
        assert sum(bodies(file.source, file.body).values()) == file.rows
        totals(file)


def totals(file: billing.File) -> None:
    """Hold the control file against the file, as the file feed does."""
    told, form, _, _ = feed(file.source)
    real = form.totals(io.BytesIO(file.body), told.control.column)
    md5 = hashlib.md5(file.body, usedforsecurity=False).hexdigest()
    said = control.parse(told.control, file.control)
    control.compare(said, {"name": file.name, "rows": real.rows, "bytes": len(file.body), "sum": real.sum, "md5": md5})


def test_the_telco_file_is_whole_and_maps() -> None:
    """7,043 customers, whose monthly charges add up to the file's own sum."""
    figures = telco.figures()
    mapped = [one for _, _, found in verdicts(telco.SOURCE, telco.FILE.read_bytes()) for one in found]
    customers = [one.state for one in mapped if one.kind == "customer"]
    assert len(customers) == figures.rows == 7043
    charges = [int(c["value"]) for state in customers for c in state["characteristic"] if c["name"] == "monthlyCharge"]
    assert sum(charges) == figures.monthly_fen == 45611660


def test_the_same_seed_sends_the_same_bytes() -> None:
    """So a second run over the same store changes nothing."""
    assert list(crm.pushes(3, 40, 1)) == list(crm.pushes(3, 40, 1))
    assert list(boss.pushes(3, 40, 0)) == list(boss.pushes(3, 40, 0))
    assert billing.accounts(3, 40, 1) == billing.accounts(3, 40, 1)
    assert list(crm.pushes(3, 40, 0)) != list(crm.pushes(4, 40, 0))


def test_later_turns_hold_repeats_copies_and_latecomers() -> None:
    """The same id twice, no id twice, and an older state after the newer one; suspended and active again without ids."""
    moves = list(crm.pushes(1, 400, 1))
    ids = Counter(push.message_id for push in moves if push.message_id)
    assert 2 in ids.values()
    assert sum(push.message_id is None for push in moves) >= 2
    assert any(push.message_id and push.message_id.endswith("-late") for push in moves)
    assert all(push.message_id is None for push in boss.pushes(1, 400, 1))


EVERY = [*badness.over_http(), *badness.over_amqp()]


@pytest.mark.parametrize("bad", EVERY, ids=[bad.label for bad in EVERY])
def test_a_bad_record_fails_where_its_label_says(bad: badness.Bad) -> None:
    """At its stage, with its code, alone; its corrected copy passes."""
    found = [(stage, code) for stage, code, _ in verdicts(bad.push.source, bad.push.body)]
    if bad.before is not None:  # its content is good: only the store knows that its id was used
        assert found == [("", "")]
        assert bad.push.message_id == bad.before.message_id
        assert bad.push.body != bad.before.body
        assert bodies(bad.before.source, bad.before.body)
    else:
        assert found[bad.row] == (bad.stage, bad.code)
        assert all(verdict == ("", "") for row, verdict in enumerate(found) if row != bad.row)
    if bad.corrected is not None:
        assert bodies(bad.push.source, bad.corrected).total() == 1


def test_bad_rows_of_a_file_fail_alone_and_its_totals_agree() -> None:
    """So the file is loaded, and the rows are dead letters."""
    file, bad = badness.account_rows()
    found = [(stage, code) for stage, code, _ in verdicts(file.source, file.body)]
    assert {row: verdict for row, verdict in enumerate(found) if verdict != ("", "")} == {one.row: (one.stage, one.code) for one in bad}
    totals(file)
    for one in bad:
        assert one.corrected is not None
        assert bodies(file.source, one.corrected).total() == 1


@pytest.mark.parametrize("untouched", badness.files(), ids=lambda one: one.label)
def test_files_that_are_not_to_be_trusted_differ_from_their_control_files(untouched: badness.Untouched) -> None:
    """In what the label says."""
    with pytest.raises(errors.TotalsDiffer, match=untouched.words):
        totals(untouched.file)


@pytest.mark.parametrize("turn", [0, 3])
def test_large_files_agree_with_their_control_files(tmp_path: Path, turn: int) -> None:
    """Over several blocks; every row is an account of its own, and another turn changes each."""
    path = bulk.write(tmp_path, "ACCT_1.txt", 20_500, first=7, turn=turn)
    body, said = path.read_bytes(), path.with_name("ACCT_1.txt.ctl").read_bytes()
    totals(billing.File("billing/accounts", billing.ACCOUNTS, "ACCT_1.txt", body, said, 20_500))
    assert len({line.split(b"|")[0] for line in body.splitlines()}) == 20_500
    assert bodies("billing/accounts", b"".join(body.splitlines(keepends=True)[:50]))["account"] == 50
    other = bulk.write(tmp_path, "ACCT_2.txt", 20_500, first=7, turn=turn + 1).read_bytes()
    assert all(before != after for before, after in zip(body.splitlines(), other.splitlines(), strict=True))


def test_load_bodies_are_distinct_changes() -> None:
    """No two customers share a key, a card or a street; a later turn changes each of them."""
    first, later = crm.load_bodies(0, 200, 1, 0), crm.load_bodies(0, 200, 1, 1)
    states = [next(verdicts("crm/customers", body))[2][0] for body in first]
    assert len({one.key for one in states}) == len({one.state["identification"][0]["number"] for one in states}) == 200
    assert all(before != after for before, after in zip(first, later, strict=True))
    assert feeds.at(1) > feeds.at(0)
