"""A record that ends the process is found and parked, and the others are applied."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from master.sqlite.store import SqliteStore

RUNNER = """
import os, sys
from pathlib import Path
from adapters import catalogue
from config import rules
from master import merge
from master.sqlite.store import SqliteStore
from routes import apply, receive
from routes.feeds import Feeds
from routes.pool import DecodePool
from routes.setup import load
from schemas.envelope import Message

home = Path(sys.argv[1])
store = SqliteStore(home / "mastercopy.db")
setup = load(None)
pool = DecodePool(Feeds(setup), 1)
if not store.inbox.lanes() and not store.views.totals()["lanes"]:
    body = '{"CUST_ID": "C%d", "CUST_NAME": "王伟", "CUST_TYPE": "1", "CUST_STATE": "1", "UPD_TIME": "20261121120000"}'
    store.inbox.append([Message("crm", "customers", None, (body % n).encode()) for n in range(9)], 1)
take_in = merge.Merge._take_in
def deadly(self, record, *rest):
    if record.id[2] == "C4":
        os._exit(9)
    return take_in(self, record, *rest)
merge.Merge._take_in = deadly
hears = lambda messages: None, lambda: 0.0, lambda: False
leader = apply.Apply(store, lambda: pool, lambda found: 1, lambda: setup.merge_rules, *hears, receive.now)
leader.fence = store.leases.take("apply", "test", 0, 10**18, force=True)
while leader.step() is not None:
    pass
pool.close()
store.close()
"""


def test_a_record_that_ends_the_process_twice_is_parked(tmp_path: Path) -> None:
    """The first end makes its messages suspect, the next two name the record; the fourth start parks it and goes on."""
    codes = [subprocess.run([sys.executable, "-c", RUNNER, str(tmp_path)], check=False, timeout=60).returncode for _ in range(4)]
    assert codes == [9, 9, 9, 0]
    store = SqliteStore(tmp_path / "mastercopy.db")
    letters = store.letters.select(state="dead", filters={}, limit=10)
    assert [(letter.code, letter.message) for letter in letters] == [("PoisonRecord", 5)]
    assert store.views.audit()["records"] | {"applied": 0, "unchanged": 0} == {
        "accepted": 9, "applied": 0, "unchanged": 0, "stale": 0, "dead": 1, "resolved": 0, "pending": 0,
    }  # fmt: skip
    assert store.views.totals()["golden"] == 8
    store.close()
