"""The small registers: file claims, alarms, revisions, keys."""

from __future__ import annotations

from adapters.contract import FileIdentity
from master.store import Store

FILE = FileIdentity("billing", "in/a.txt", 100, 5, "ab")


def test_a_file_is_claimed_once(store: Store) -> None:
    """New, then to be resumed, then done; another content, time or size under the same name is another file."""
    assert store.files.claim(FILE, 1) == "new"
    assert store.files.claim(FILE, 2) == "resume"
    store.files.progress(FILE, 5, 10, "loading", 3)
    assert store.files.claim(FILE, 4) == "resume"
    store.files.progress(FILE, 10, 10, "done", 5)
    assert store.files.claim(FILE, 6) == "done"
    assert store.files.claim(FileIdentity("billing", "in/a.txt", 100, 6, "ab"), 7) == "new"
    assert [(each["state"], each["rows"], each["total"]) for each in store.files.recent(9)] == [("loading", 0, 0), ("done", 10, 10)]


def test_an_alarm_is_raised_once(store: Store) -> None:
    """Said again it is not new; with another reason it is; cleared it may come again."""
    assert store.alarms.raise_("file", "a", "it grows", 1)
    assert not store.alarms.raise_("file", "a", "it grows", 2)
    assert store.alarms.raise_("file", "a", "its sum is wrong", 3)
    assert [(each["reason"], each["raised_at"]) for each in store.alarms.active()] == [("its sum is wrong", 1)]
    store.alarms.clear("file", "a")
    store.alarms.clear("file", "a")
    assert store.alarms.active() == []
    assert store.alarms.raise_("file", "a", "it grows", 4)


def test_a_revision_is_kept_once_and_comes_back_whole(store: Store) -> None:
    """Old mappings are kept, so that what they made can be explained."""
    files = {"inbound.yaml": "name: 名".encode(), "x.py": bytes(range(256))}
    first = store.revisions.keep("crm/customers", "hash", files, 1)
    assert store.revisions.keep("crm/customers", "hash", files, 2) == first
    assert store.revisions.keep("crm/customers", "other", {}, 3) != first
    assert store.revisions.load(first) == ("crm/customers", files)
    assert store.revisions.load(99) is None


def test_keys_are_kept_as_digests(store: Store) -> None:
    """Found by their prefix; revoked they are gone."""
    store.keys.add("crm", "abcd", b"digest", 1)
    assert store.keys.all() == [("abcd", b"digest", "crm", 1)]
    assert store.keys.revoke("abcd")
    assert not store.keys.revoke("abcd")
    assert store.keys.all() == []
