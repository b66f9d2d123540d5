"""The demo: everything together, once through, added up and judged; and that what does not add up is told."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hub import demo_home, demo_sums, evidence, showcase
from hub.home import Home
from master.sqlite.store import SqliteStore
from routes import setup
from schemas import errors

DOOR = Path(__file__).resolve().parents[2] / "mastercopy.py"
CUSTOMERS = 60


def run(home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DOOR), "demo", "--customers", str(CUSTOMERS), "--home", str(home), "--port", "0", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=110)


def alive(group: int) -> list[str]:
    """The processes of a group that have not ended; one that nobody has collected yet has."""
    listed = subprocess.run(["ps", "-eo", "pgid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if line.split()[0] == str(group) and not line.split()[1].startswith("Z")]


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A home where the demo ran through, and its sums."""
    home = tmp_path_factory.mktemp("demo") / "home"
    done = run(home, "--once", "-o", "json")
    assert done.returncode == 0, done.stderr
    return home, json.loads(done.stdout)


@pytest.fixture
def kept(once: tuple[Path, dict[str, Any]]) -> Iterator[SqliteStore]:
    """Its store."""
    store = Home(once[0]).open_store()
    yield store
    store.close()


def test_once_through_everything_adds_up(once: tuple[Path, dict[str, Any]]) -> None:
    """In records: received = duplicate + applied + unchanged + stale + dead + resolved + pending; and so for each subscription."""
    sums = once[1]
    outcomes = ("duplicate", "applied", "unchanged", "stale", "dead", "resolved", "pending")
    assert sums["received"] == sum(sums[name] for name in outcomes) > 7043
    assert sums["conserved"] is True
    assert sums["pending"] == 0
    for one in sums["subscriptions"].values():
        assert one["matched"] == sum(one[name] for name in ("delivered", "superseded", "suppressed", "dead", "pending"))
        assert one["pending"] == 0
    assert set(sums["subscriptions"]) == {"ods", "care", "billing"}
    assert sums["subscriptions"]["ods"]["delivered"] == sums["changes"]
    assert sums["subscriptions"]["care"]["dead"] >= 3  # what care refuses
    assert sums["golden"]["customer"] > 7043 + CUSTOMERS


def test_the_file_of_telco_arrives_whole(once: tuple[Path, dict[str, Any]]) -> None:
    """7,043 customers and the sum of what they pay a month, at each subscriber that gets customers."""
    whole = {"customers": 7043, "monthly_fen": 45_611_660}
    assert once[1]["checked"]["telco"] == {"ods": whole, "care": whole, "billing": whole}


def test_a_second_run_over_the_same_store_adds_no_change(once: tuple[Path, dict[str, Any]]) -> None:
    """Everything is known already: more is received, nothing else moves."""
    home, before = once
    done = run(home, "--once", "-o", "json")
    assert done.returncode == 0, done.stderr
    sums = json.loads(done.stdout)
    assert sums["received"] > before["received"]
    assert sums["duplicate"] > before["duplicate"]
    assert {name: sums[name] for name in ("changes", "golden", "applied", "subscriptions")} == {
        name: before[name] for name in ("changes", "golden", "applied", "subscriptions")
    }


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("UPDATE settled SET applied = applied - 1 WHERE message = (SELECT min(message) FROM settled WHERE applied > 0)", "accounted for"),
        ("UPDATE lane SET unchanged = unchanged + 1", "the tally says"),
        ("UPDATE subscription SET delivered = delivered - 1 WHERE name = 'ods'", "ods"),
        ("UPDATE dead_letter SET records = records + 1 WHERE subscription = 'care'", "the letters"),
        ("DELETE FROM change WHERE seq = 7", "change log has a gap"),
        ("UPDATE change SET version = 9 WHERE seq = 7", "gap in their versions"),
    ],
)
def test_a_broken_law_is_found_in_the_rows(once: tuple[Path, dict[str, Any]], tmp_path: Path, damage: str, words: str) -> None:
    """Each law is counted from the rows, not taken from the tallies that they are held against."""
    copy = tmp_path / "copy.db"
    with closing(sqlite3.connect(once[0] / "mastercopy.db")) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute(damage)
        target.commit()
    store = SqliteStore(copy)
    try:
        assert any(words in law for law in demo_sums.laws(store, store.views.audit()))
    finally:
        store.close()


def test_the_evidence_holds_what_every_filter_matches(once: tuple[Path, dict[str, Any]], kept: SqliteStore) -> None:
    """Counted anew over the whole log, it is what the readers counted; what care refused is excused."""
    configured = setup.load(once[0])
    found = evidence.collect(kept, [configured.outbound(name) for name in configured.routes])
    assert {one.name: len(set(one.expected)) for one in found.subscriptions} == {
        name: one["matched"] for name, one in once[1]["subscriptions"].items()
    }
    excused = {one.name: len(set(one.excused)) for one in found.subscriptions}
    assert excused["ods"] == 0
    assert excused["care"] >= once[1]["subscriptions"]["care"]["dead"]
    assert excused["billing"] == once[1]["subscriptions"]["billing"]["suppressed"]
    assert all(row["passed"] for row in found.inbox)


def test_a_demo_whose_books_do_not_balance_ends_with_an_error(once: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """The exit code says it to scripts, a line on stderr to people, and `conserved` to both."""
    home = tmp_path / "home"
    with closing(sqlite3.connect(once[0] / "mastercopy.db")) as source:
        home.mkdir()
        with closing(sqlite3.connect(home / "mastercopy.db")) as target:
            source.backup(target)
            target.execute("UPDATE subscription SET delivered = delivered - 1 WHERE name = 'ods'")
            target.commit()
    demo_home.point(Home(home), {})
    subprocess.run(["cp", "-r", str(once[0] / "operator"), str(home / "operator")], check=True)
    done = run(home, "--once", "-o", "json")
    assert done.returncode == 7, done.stderr
    assert json.loads(done.stdout)["conserved"] is False
    assert "ods" in done.stderr


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_goes_on_until_it_is_told_to_stop(tmp_path: Path, told: signal.Signals) -> None:
    """It ends well, says where to look, and leaves no process behind."""
    command = [sys.executable, str(DOOR), "demo", "--customers", "20", "--home", str(tmp_path / "home"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        assert "/status" in process.stdout.readline()
        time.sleep(3)
        process.send_signal(told)
        shown, complaint = process.communicate(timeout=60)
    assert process.returncode == 0, complaint
    assert "mastercopy dead list --home" in shown
    end = time.monotonic() + 5
    while alive(process.pid) and time.monotonic() < end:
        time.sleep(0.1)
    assert alive(process.pid) == []


def test_a_folder_that_is_no_demo_is_left_alone(tmp_path: Path) -> None:
    """Neither somebody's files nor the home of a real hub are taken for one's own."""
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(errors.Misconfigured, match="something else"):
        demo_home.make(tmp_path, fresh=True)
    (tmp_path / "hub.yaml").write_text("systems: {}\n")
    with pytest.raises(errors.Misconfigured, match="no demo"):
        demo_home.make(tmp_path, fresh=True)
    assert (tmp_path / "letter.txt").read_text() == "dear"


def test_what_care_refuses_follows_from_the_seed() -> None:
    """Two customers and a number in use: the same in every run."""
    assert showcase.refused(3, 50) == showcase.refused(3, 50)
    assert len(showcase.refused(3, 50)) == 3
