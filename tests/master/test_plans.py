"""The leader's and the readers' queries stay on their indexes, however large the tables are."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from master.sqlite import endings, inbox, leader, subscriptions
from tests.master import engines

PLANS = {
    leader.READ_SOURCES: [
        "SCAN j VIRTUAL TABLE",
        "SEARCH s USING PRIMARY KEY (entity=? AND source=? AND key=?)",
        "SEARCH g USING INTEGER PRIMARY KEY",
    ],
    leader.READ_MATCHES: [
        "SCAN j",
        "SEARCH s USING INDEX source_record_match (entity=? AND match_key=?)",
        "SEARCH g USING INTEGER PRIMARY KEY",
    ],
    leader.READ_WAITING: ["SCAN j", "SEARCH d USING PRIMARY KEY (entity=? AND source=? AND key=?)", "SEARCH g USING INTEGER PRIMARY KEY"],
    leader.READ_MEMBERS: ["SCAN j", "SEARCH s USING INDEX source_record_golden (golden=?)"],
    leader.READ_BODIES: ["SCAN j", "SEARCH c USING INTEGER PRIMARY KEY"],
    inbox.PENDING: ["SEARCH l USING INTEGER PRIMARY KEY", "SEARCH i USING INDEX inbox_lane (lane=? AND id>?)"],
    endings.STORED: [
        "SEARCH i USING INDEX inbox_message (lane=? AND message_id>? AND message_id<?)",
        "SCALAR SUBQUERY",
        "SEARCH lane USING",
    ],
    endings.KEYS: ["SEARCH source_record USING PRIMARY KEY (entity=? AND source=? AND key>?)"],
    subscriptions.CHANGES: [
        "CO-ROUTINE c",
        "SEARCH change USING INTEGER PRIMARY KEY (rowid>?)",
        "SCAN c",
        "SEARCH g USING INTEGER PRIMARY KEY",
    ],
    subscriptions.CHANGES_OF: [
        "SEARCH g USING INTEGER PRIMARY KEY",
        "SEARCH c USING INDEX change_golden (golden=? AND rowid>? AND rowid<?)",
    ],
    subscriptions.PARKED: ["SEARCH dead_letter USING INDEX dead_letter_key (subscription=?)"],
    subscriptions.WAIT_BEHIND: ["SEARCH dead_letter USING INDEX dead_letter_key (subscription=? AND golden=?)"],
}


@pytest.mark.parametrize("query", list(PLANS), ids=lambda text: " ".join(text.split())[:60])
def test_a_query_of_every_slice_uses_its_index(tmp_path: Path, query: str) -> None:
    """No table is scanned; what is (j, c) are the lists of what is asked for."""
    engines.sqlite(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "mastercopy.db")
    values = ["[]", "", "", "", ""][: max((int(number) for number in re.findall(r"\?(\d)", query)), default=query.count("?"))]
    found = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", values)]
    connection.close()
    steps = [step for step in found if "TEMP B-TREE" not in step]
    assert len(steps) == len(PLANS[query])
    for step, expected in zip(steps, PLANS[query], strict=True):
        assert step.startswith(expected)
