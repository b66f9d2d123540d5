"""A reload reaches everything that runs: feeds and routes that are new, changed or gone. Nothing is restarted for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub import filehub
from tests.hub.filehub import FileHub
from tests.hub.instance import soon

PEER = """\
system: peer
sinks:
  out: {{over: folder, endpoint: {{path: "{folder}"}}, format: {{kind: json, lines: true}}, mapping: out.yaml, idempotent: name}}
"""
OUT = """\
mapping: peer-out
direction: outbound
records:
  - record: account
    of: account
    fields: {no: state.accountNo, name: state.name}
"""
ROUTE = "route: peer\nto: peer/out\nentities: [account]\n"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FileHub]:
    """A hub whose only system drops files of accounts."""
    filehub.written(tmp_path / "home")
    with filehub.running(tmp_path / "home") as found:
        yield found


def peer(hub: FileHub, folder: str) -> None:
    """A subscriber in the home, and in use."""
    (hub.home / "adapters" / "peer").mkdir(exist_ok=True)
    (hub.home / "adapters" / "peer" / "manifest.yaml").write_text(PEER.format(folder=hub.home.parent / folder))
    (hub.home / "adapters" / "peer" / "out.yaml").write_text(OUT)
    (hub.home / "routes").mkdir(exist_ok=True)
    (hub.home / "routes" / "peer.yaml").write_text(ROUTE)
    (hub.home / "hub.yaml").write_text("systems: {bank: {}, peer: {}}\nroutes: [peer]\n")
    (hub.home.parent / folder).mkdir(exist_ok=True)
    hub.hub.reload()


def got(hub: FileHub, folder: str) -> list[str]:
    """The account numbers that were dropped there, in order."""
    files = sorted((hub.home.parent / folder).glob("[!.]*"))
    return [json.loads(line)["no"] for file in files for line in file.read_text().splitlines()]


def test_a_system_and_a_route_that_are_new_begin(hub: FileHub) -> None:
    """The subscriber gets what is there, and what comes."""
    hub.load("a.txt", "1|A|x")
    peer(hub, "peer")
    hub.load("b.txt", "2|B|x")
    soon(lambda: got(hub, "peer") == ["1", "2"])


def test_a_route_that_is_gone_ends_and_goes_on_where_it_was(hub: FileHub) -> None:
    """Once it is back; to another place if its sink was moved meanwhile."""
    peer(hub, "peer")
    hub.load("a.txt", "1|A|x")
    soon(lambda: got(hub, "peer") == ["1"])
    (hub.home / "hub.yaml").write_text("systems: {bank: {}, peer: {}}\nroutes: []\n")
    hub.hub.reload()
    assert "reader-peer" not in hub.hub.flow._jobs.names()
    hub.load("b.txt", "2|B|x")
    peer(hub, "elsewhere")
    soon(lambda: got(hub, "elsewhere") == ["2"])
    assert got(hub, "peer") == ["1"]


def test_a_sink_that_was_moved_is_used_from_then_on(hub: FileHub) -> None:
    """The reader begins again with it, and nothing is sent twice or left out."""
    peer(hub, "peer")
    hub.load("a.txt", "1|A|x")
    soon(lambda: got(hub, "peer") == ["1"])
    peer(hub, "elsewhere")
    hub.load("b.txt", "2|B|x")
    soon(lambda: got(hub, "elsewhere") == ["2"])
    assert got(hub, "peer") == ["1"]


def test_a_feed_that_reads_otherwise_does_so_from_the_next_file(hub: FileHub) -> None:
    """Its format has a header line now."""
    hub.load("a.txt", "1|A|x")
    filehub.written(hub.home, header=True)
    hub.hub.reload()
    hub.load("b.txt", "ID|NAME|STATE", "2|B|x")
    assert hub.names() == {"1": "A", "2": "B"}


def test_a_feed_that_is_gone_ends_and_a_new_one_begins(hub: FileHub) -> None:
    """The files of one that is gone stay where they are."""
    (hub.home / "hub.yaml").write_text("systems: {crm: {}}\nroutes: []\n")
    hub.hub.reload()
    assert not hub.hub.flow.sources
    hub.put("a.txt", "1|A|x")
    filehub.written(hub.home)
    assert (hub.drop / "a.txt").exists()
    hub.hub.reload()
    soon(lambda: hub.live() == ["1"])


def test_what_stays_as_it_was_is_left_alone(hub: FileHub) -> None:
    """The same source, the same reader."""
    peer(hub, "peer")
    soon(lambda: hub.hub.flow.sources)
    before = (dict(hub.hub.flow.sources), dict(hub.hub.flow.readers))
    hub.hub.reload()
    assert (hub.hub.flow.sources, hub.hub.flow.readers) == before
