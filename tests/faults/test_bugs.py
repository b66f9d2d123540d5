"""The history checker finds every bug that is seeded into the hub, and nothing where there is none."""

from __future__ import annotations

import itertools
import signal
import threading
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
REFUSED = {f"L{n:09}" for n in range(4)}  # customers whose first change the lake refuses for a while
LIMIT = 60.0  # seconds for what takes a second or two


class Refusals:
    """The first change of some keys is refused until two later ones wait behind it; or, with a bug, until a later one has come first."""

    def __init__(self, one: World) -> None:
        self._one = one
        self._turn = threading.Lock()
        self._first: dict[str, int] = {}  # the version that is refused
        self.let_go: set[str] = set()

    def __call__(self, name: str, arrivals: list[Arrival]) -> bool:
        with self._turn:
            mine = [arrival for arrival in arrivals if name == "lake" and arrival.number in REFUSED]
            if any(self._waits(arrival) for arrival in mine):
                return True
            self.let_go.update(arrival.golden_id for arrival in mine)
            return False

    def _waits(self, arrival: Arrival) -> bool:
        key = arrival.golden_id
        if key in self.let_go or arrival.version != self._first.setdefault(key, arrival.version):
            return False
        letter = f"""SELECT 1 FROM dead_letter d JOIN golden g ON g.n = d.golden
            WHERE d.subscription = 'lake' AND d.state = 'waiting' AND d.records > 2 AND lower(hex(g.id)) = '{key.replace("-", "")}'"""
        return not self._one.query(letter)


def short(one: World, bug: str, trap: str) -> history.Report:
    """Load with repeats, poison, lists, a file and refused keys, until bug and trap have struck; the hub is started again if it dies."""
    one.refuse = refusals = Refusals(one)
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
    file = clients.drop(one.telco, "base.csv", clients.rows(0, 200, 20), one.attempts)
    load.start(lambda _: services.wait_for(lambda: clients.told(one.telco, "base.csv", file, one.attempts), LIMIT, "the file's end"))
    waited = [name for name in (bug, trap) if name]
    services.wait_for(lambda: all(bugs.struck(one.home, name) for name in waited), LIMIT, f"the strike of {waited}")
    if not bug:
        services.wait_for(lambda: refusals.let_go, LIMIT, "changes behind a refused one")
    load.more(100)
    load.stop()
    one.refuse = lambda _name, _arrivals: False
    if not bug:  # which may leave something that never moves
        one.quiet()
    over.set()
    keeper.join()
    one.end()
    return one.judge()


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
    assert set(TRAPS) - {""} | {"apply_waits"} == set(bugs.TRAPS)  # which test_intake uses
