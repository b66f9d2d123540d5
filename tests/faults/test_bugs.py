"""The history checker finds every bug that is seeded into the hub, and nothing where there is none."""

from __future__ import annotations

import itertools
import signal
import threading
import time
from pathlib import Path

import pytest

from demo import history
from demo.books import Arrival
from demo.child import Child
from tests import services
from tests.faults import bugs, clients
from tests.faults.world import World, world

pytestmark = pytest.mark.fault

# bug, trap, kinds of finding of which at least one must be reported
SEEDED = [
    ("acknowledged_before_commit", "crash_around_append", {"lost"}),
    ("failed_commit_taken_for_success", "failing_appends", {"lost"}),
    ("no_unique_message_ids", "", {"doubled"}),
    ("file_moved_before_it_is_stored", "crash_within_a_file", {"lost"}),
    ("lost_update_of_tallies", "", {"violations"}),
    ("mark_past_a_record", "", {"skipped"}),
    ("record_dropped", "", {"skipped"}),
    ("dead_letter_not_written", "", {"violations"}),
    ("applied_twice", "", {"effects"}),
    ("marks_in_a_transaction_of_their_own", "crash_within_a_slice", {"violations", "effects"}),
    ("versions_from_a_stale_read", "", {"version_gaps", "broken"}),
    ("no_fence", "two_leaders", {"violations", "effects"}),
    ("no_fence", "two_readers", {"violations", "missing"}),
    ("mark_moved_before_the_send", "crash_before_a_send", {"missing"}),
    ("reader_skips_a_change", "", {"missing"}),
    ("one_key_on_two_lanes", "slow_sends", {"out_of_order"}),
    ("later_change_before_the_refused_one", "", {"out_of_order"}),
    ("settled_ranges_too_far", "crash_with_open_positions", {"missing"}),
]
TRAPS = sorted({trap for _, trap, _ in SEEDED})
REFUSED = {0, 1, 2, 3}  # customers that the lake refuses at first


def short(one: World, bug: str, trap: str) -> history.Report:
    """A second of load with repeats, poison, lists, a file and refused keys; the hub is started again if it dies."""
    refusals: dict[str, int] = {}
    turn = threading.Lock()

    def refuse(name: str, arrivals: list[Arrival]) -> bool:
        """Some keys are refused the first time they come alone, so that later changes come while they wait."""
        with turn:
            hit = [a for a in arrivals if name == "lake" and a.number in {f"L{n:09}" for n in REFUSED} and refusals.get(a.golden_id, 0) < 1]
            for arrival in hit:
                refusals[arrival.golden_id] = refusals.get(arrival.golden_id, 0) + (len(arrivals) == 1)
            return bool(hit)

    one.refuse = refuse
    over = threading.Event()
    one.start(bug, trap)

    def keep() -> None:
        while not over.wait(0.05):
            if one.ended():
                assert one.end(signal.SIGTERM) == -signal.SIGKILL
                one.start(bug, trap)

    keeper = threading.Thread(target=keep, daemon=True)
    keeper.start()
    one.ready()
    load = clients.Load(one.port, one.key, one.attempts, pause=0.01)
    for seed in range(2):
        load.run(clients.stream(seed, 25))
    load.run(clients.nameless(7, 25))
    load.run(itertools.islice(clients.poison(1), 6))
    clients_file(one)
    time.sleep(1.0)
    services.wait_for(lambda: sprung(one, trap), 20, f"the trap {trap}")
    time.sleep(0.5 if trap else 0.0)
    load.stop()
    wait_for_peace(one)
    over.set()
    keeper.join()
    one.end()
    return one.judge()


def sprung(one: World, trap: str) -> bool:
    """What the trap is laid for has happened."""
    return not trap.startswith(("crash", "two")) or bool([*one.home.glob("died-*"), *one.home.glob("sprung")])


def clients_file(one: World) -> None:
    """One file of five parts; somebody waits until it is gone."""
    attempt = clients.drop(one.telco, "base.csv", clients.rows(0, 200, 20), one.attempts)

    def work() -> None:
        while not clients.told(one.telco, "base.csv", attempt, one.attempts):
            time.sleep(0.01)

    threading.Thread(target=work, daemon=True).start()


def wait_for_peace(one: World) -> None:
    """Until all is quiet, or as quiet as it gets: a bug may leave something that never moves."""
    before, still = "", time.monotonic()
    while left := one.unsettled():
        if left != before:
            before, still = left, time.monotonic()
        if time.monotonic() - still > 2.0:
            return
        time.sleep(0.05)
    time.sleep(0.2)


@pytest.mark.parametrize(("bug", "trap", "kinds"), SEEDED, ids=[f"{bug}-{trap}" if trap else bug for bug, trap, _ in SEEDED])
def test_a_seeded_bug_is_found(bug: str, trap: str, kinds: set[str], tmp_path: Path, forks: Child) -> None:
    """With the bug, the checker reports a fault of the right kind."""
    with world(tmp_path, forks) as one:
        report = short(one, bug, trap)
        found = {finding.kind for finding in report.findings}
        assert found & kinds, f"the checker missed it: {found or 'nothing found'}\n" + "\n".join(report.lines()) + one.hub_log()


@pytest.mark.parametrize("trap", TRAPS)
def test_without_a_bug_nothing_is_found(trap: str, tmp_path: Path, forks: Child) -> None:
    """The same run, with the same crashes and doubles, is clean without the bug."""
    with world(tmp_path, forks) as one:
        report = short(one, "", trap)
        assert report.ok, "\n".join(report.lines()) + one.hub_log()


def test_every_bug_is_tried() -> None:
    """No seeded bug and no trap lies unused."""
    assert {bug for bug, _, _ in SEEDED} == set(bugs.BUGS)
    assert set(TRAPS) - {""} | {"slow_apply"} == set(bugs.TRAPS)  # which two_leaders uses
