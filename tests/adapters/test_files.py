"""A file is loaded once, whole or not at all, in its right time; what is wrong with it raises an alarm and leaves it untouched."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters import files, protocols
from adapters.contract import Refused
from schemas import errors
from tests.adapters import cutters
from tests.adapters.doors import Crash, MemoryDoor
from tests.conformance import kits

ROWS = b"".join(b"%d|%d\n" % (number, number) for number in range(10))
CTL = {"kind": "ctl", "fields": ["name", "rows", "sum", "md5"], "column": "amount"}


class House:
    """A folder feed whose looks are taken one at a time; two make a file trusted."""

    def __init__(self, tmp: Path, endpoint: dict[str, Any] | None = None, **extra: Any) -> None:
        self.folder = tmp / "in"
        self.folder.mkdir(exist_ok=True)
        self.spool = tmp / "spool"
        self.door = MemoryDoor()
        self._system = kits.system("folder", {"path": str(self.folder), "settle": "1s", **(endpoint or {})}, None, **{"chunk": 2, **extra})
        self.open()

    def open(self) -> None:
        """A new process."""
        source = protocols.source(self._system, "in", cutters.Lines(), self.spool)
        assert isinstance(source, files.FileSource)
        self.now = 0.0
        source._clock = lambda: self.now
        self.source = source

    def look(self, times: int = 2) -> None:
        """Look a second apart."""
        for _ in range(times):
            self.source._poll(self.door, threading.Event())
            self.now += 1

    def put(self, name: str, body: bytes = ROWS, mtime: int = 1_700_000_000) -> Path:
        path = self.folder / name
        path.write_bytes(body)
        os.utime(path, (mtime, mtime))
        return path

    @property
    def alarm(self) -> str:
        """The one alarm that stands."""
        assert len(self.door.claims.alarms) == 1, self.door.claims.alarms
        return next(iter(self.door.claims.alarms.values()))

    @property
    def waiting(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if path.name != "done")

    @property
    def done(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "done").glob("*"))


def ctl(data: str, body: bytes, **wrong: object) -> bytes:
    """A control file, right but for what is given."""
    values = {"name": data, "rows": body.count(b"\n"), "sum": 45, "md5": hashlib.md5(body).hexdigest(), **wrong}
    return "|".join(str(value) for value in values.values()).encode() + b"\n"


def test_a_file_is_cut_into_chunks_with_ids_and_then_moved(tmp_path: Path) -> None:
    """Each chunk is a message; progress is said in rows; the spool is empty afterwards."""
    house = House(tmp_path)
    house.put("a.txt", ROWS + b"10|10\n")
    house.look()
    ids = [message.message_id or "" for message in house.door.messages]
    assert [one.rpartition(":")[2] for one in ids] == [f"{number:06d}" for number in range(6)]
    assert b"".join(house.door.bodies) == ROWS + b"10|10\n"
    assert (house.door.claims.steps[-1], list(house.door.claims.files.values())) == ((11, 11), [11])
    assert (house.waiting, house.done, list(house.spool.iterdir())) == ([], ["a.txt"], [])


def test_one_that_still_grows_is_not_touched(tmp_path: Path) -> None:
    """Two looks must agree; growth between them is said, and forgotten once the file is loaded."""
    house = House(tmp_path)
    house.put("a.txt", ROWS[:8])
    house.look(1)
    house.put("a.txt", ROWS[:16])
    house.look(1)
    assert (house.alarm, house.door.messages) == ("still growing", [])
    house.put("a.txt", ROWS)
    house.look(3)
    assert (b"".join(house.door.bodies), house.door.claims.alarms) == (ROWS, {})


def test_one_that_grows_while_it_is_fetched_is_not_loaded(tmp_path: Path) -> None:
    """The size after the copy must be the size before."""
    house = House(tmp_path)
    path = house.put("a.txt")
    fetch = house.source._place.fetch

    def growing(entry: files.Entry) -> Iterator[bytes]:
        yield from fetch(entry)
        with path.open("ab") as stream:
            stream.write(b"99|99\n")

    house.source._place.fetch = growing  # type: ignore[method-assign]
    house.look()
    assert "changed while it was fetched" in house.alarm
    assert (house.door.messages, list(house.spool.iterdir())) == ([], [])


def test_one_that_vanishes_while_it_is_fetched_is_no_alarm(tmp_path: Path) -> None:
    """The sender took it back."""
    house = House(tmp_path)
    path = house.put("a.txt")
    fetch = house.source._place.fetch

    def vanishing(entry: files.Entry) -> Iterator[bytes]:
        yield from fetch(entry)
        path.unlink()

    house.source._place.fetch = vanishing  # type: ignore[method-assign]
    house.look()
    assert (house.door.claims.alarms, house.door.messages) == ({}, [])


def test_the_control_file_may_come_first_or_last(tmp_path: Path) -> None:
    """Either alone raises an alarm in time; together they are loaded and both moved away."""
    for number, order in enumerate((("a.txt.ctl", "a.txt"), ("a.txt", "a.txt.ctl"))):
        (tmp_path / str(number)).mkdir()
        house = House(tmp_path / str(number), control=CTL)
        bodies = {"a.txt": ROWS, "a.txt.ctl": ctl("a.txt", ROWS)}
        house.put(order[0], bodies[order[0]])
        house.look(3)
        assert ("without its data" if number == 0 else "waits for its control file a.txt.ctl") in house.alarm
        assert house.waiting == [order[0]]
        house.put(order[1], bodies[order[1]])
        house.look(3)
        assert b"".join(house.door.bodies) == ROWS
        assert (house.waiting, house.done, house.door.claims.alarms) == ([], ["a.txt", "a.txt.ctl"], {})


@pytest.mark.parametrize(("total", "said"), [("rows", 11), ("sum", "45.01"), ("md5", "0" * 32), ("name", "b.txt")])
def test_wrong_totals_leave_the_file_untouched(tmp_path: Path, total: str, said: object) -> None:
    """The alarm names the total with both values; nothing is stored; a corrected control file lets it in."""
    house = House(tmp_path, control=CTL)
    house.put("a.txt")
    house.put("a.txt.ctl", ctl("a.txt", ROWS, **{total: said}))
    house.look(4)
    assert f"{total}: {said} announced" in house.alarm
    assert (house.door.messages, house.waiting) == ([], ["a.txt", "a.txt.ctl"])
    assert [reason for _, reason in house.door.claims.raised] == [house.alarm]
    house.put("a.txt.ctl", ctl("a.txt", ROWS), mtime=1_700_000_100)
    house.look()
    assert (b"".join(house.door.bodies), house.door.claims.alarms, house.waiting) == (ROWS, {}, [])


def test_a_refused_file_is_not_fetched_again_until_it_changes(tmp_path: Path) -> None:
    """Five gigabytes with a wrong trailer must not be copied every ten seconds."""
    house = House(tmp_path, control={"kind": "trailer", "fields": ["-", "rows", "sum"], "column": "amount"})
    house.put("a.txt", ROWS + b"T|9|45\n")
    fetched: list[files.Entry] = []
    fetch = house.source._place.fetch

    def counting(entry: files.Entry) -> Iterator[bytes]:
        fetched.append(entry)
        return fetch(entry)

    house.source._place.fetch = counting  # type: ignore[method-assign]
    house.look(6)
    assert ("rows: 9 announced, 10 found" in house.alarm, len(fetched)) == (True, 1)
    house.put("a.txt", ROWS + b"T|10|45\n")
    house.look(2)
    assert b"".join(house.door.bodies) == ROWS


def test_a_file_without_its_trailer_is_half_written(tmp_path: Path) -> None:
    """It is left where it is."""
    house = House(tmp_path, control={"kind": "trailer", "fields": ["-", "rows"]})
    house.put("a.txt", ROWS)
    house.look()
    assert "no trailer" in house.alarm


@pytest.mark.parametrize("after", range(1, 4))
def test_a_crash_resumes_at_the_next_chunk(tmp_path: Path, after: int) -> None:
    """Chunks that are stored are not sent again; the file is moved only when the last one is in."""
    house = House(tmp_path)
    body = b"".join(b"%d|1\n" % number for number in range(40))
    house.put("a.txt", body)
    calls = iter(range(1, 99))

    def die() -> None:
        if next(calls) == after:
            raise Crash

    house.door.after = die
    with pytest.raises(Crash):
        house.look()
    assert (house.waiting, len(house.door.messages)) == (["a.txt"], after * 4)
    sent = len(house.door.batches)
    house.open()
    house.look()
    assert (b"".join(house.door.bodies), house.done) == (body, ["a.txt"])
    assert sum(house.door.batches[sent:]) == 20 - after * 4


def test_a_crash_between_finish_and_move_only_moves(tmp_path: Path) -> None:
    """The claim says that it is done, even where the control file is gone already."""
    house = House(tmp_path, control=CTL)
    house.put("a.txt")
    house.put("a.txt.ctl", ctl("a.txt", ROWS))
    move = house.source._place.move

    def die(name: str, target: str) -> None:
        if name == "a.txt":
            raise Crash
        move(name, target)

    house.source._place.move = die  # type: ignore[method-assign]
    with pytest.raises(Crash):
        house.look()
    assert house.waiting == ["a.txt"]
    calls = house.door.calls
    house.open()
    house.look()
    assert (house.waiting, house.door.calls, house.door.claims.alarms) == ([], calls, {})


def test_the_same_name_with_new_content_is_a_new_file(tmp_path: Path) -> None:
    """And yesterday's is kept beside it."""
    house = House(tmp_path)
    for day, body in enumerate((b"1|1\n", b"2|2\n", b"1|1\n")):
        house.put("a.txt", body, 1_700_000_000 + day)
        house.look(3)
    assert house.door.bodies == [b"1|1\n", b"2|2\n", b"1|1\n"]
    assert len(house.done) == 3


def test_a_move_that_fails_is_said_and_tried_again_without_loading(tmp_path: Path) -> None:
    """The rows are in; only the move is left."""
    house = House(tmp_path, {"pattern": "*.txt"})
    house.put("a.txt")
    (house.folder / "done").write_bytes(b"in the way")
    house.look(4)
    assert ("loaded, but cannot be moved" in house.alarm, house.door.calls) == (True, 2)
    (house.folder / "done").unlink()
    house.look(1)
    assert (house.done, house.door.claims.alarms, house.door.calls) == (["a.txt"], {}, 2)


GBK = "客户.txt".encode("gbk").decode("utf-8", "surrogateescape")
HOSTILE = ["-rf.txt", "a\nb.txt", "\u202etxt.exe.txt", "客户.txt", "x" * 251 + ".txt", "$(reboot).txt", GBK]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_never_reaches_a_local_path(tmp_path: Path, name: str) -> None:
    """The spool's name is a hash; the name is stored and shown escaped; control characters are refused."""
    house = House(tmp_path)
    house.put(name)
    seen: list[str] = []
    house.door.before = lambda: seen.extend(path.name for path in house.spool.iterdir())
    house.look()
    if "\n" in name:
        assert ("control characters" in house.alarm, seen) == (True, [])
        return
    assert b"".join(house.door.bodies) == ROWS
    assert all(len(one) == 37 and one.replace("-", "").isalnum() for one in seen)
    (identity,) = house.door.claims.files
    identity.path.encode()
    assert identity.path.isprintable()


def test_links_pipes_and_folders_are_not_files(tmp_path: Path) -> None:
    """Neither read nor reported, and a pipe does not hang the feed."""
    house = House(tmp_path)
    (tmp_path / "secret").write_bytes(b"1|1\n")
    (house.folder / "a.txt").symlink_to(tmp_path / "secret")
    os.mkfifo(house.folder / "b.txt")
    (house.folder / "c.txt").mkdir()
    house.put(".hidden.txt")
    house.put("d.txt.part")
    house.put("e.txt", b"2|2\n")
    house.look(3)
    assert (house.door.bodies, house.door.claims.alarms) == ([b"2|2\n"], {})


def test_a_file_swapped_for_a_link_after_the_look_is_not_followed(tmp_path: Path) -> None:
    """The copy itself refuses links."""
    house = House(tmp_path)
    path = house.put("a.txt")
    (tmp_path / "secret").write_bytes(ROWS)
    entry = house.source._place.list()[0]
    path.unlink()
    path.symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match=r"a\.txt"):
        list(house.source._place.fetch(entry))


def test_an_empty_file_is_loaded_and_moved(tmp_path: Path) -> None:
    """No rows is a fact, not an error."""
    house = House(tmp_path)
    house.put("a.txt", b"")
    house.look()
    assert (house.door.messages, house.done, list(house.door.claims.files.values())) == ([], ["a.txt"], [0])


def test_one_too_large_is_not_fetched(tmp_path: Path) -> None:
    """A sparse file of five gigabytes and one byte costs nothing."""
    house = House(tmp_path)
    os.truncate(house.put("a.txt"), 5_000_000_001)
    house.look()
    assert "5000000000 allowed" in house.alarm


def test_one_bad_file_blocks_no_other(tmp_path: Path) -> None:
    """Each has its own alarm; the good ones are loaded, oldest first."""
    house = House(tmp_path, limit="100B")
    house.put("b.txt", b"2|2\n", 1_700_000_002)
    house.put("a.txt", b"x" * 200, 1_700_000_001)
    house.put("c.txt", b"1|1\n", 1_700_000_000)
    house.look()
    assert (house.door.bodies, house.waiting) == ([b"1|1\n", b"2|2\n"], ["a.txt"])


def test_a_suffix_may_mark_what_is_done(tmp_path: Path) -> None:
    """And marked files are not looked at again."""
    house = House(tmp_path, {"done": ".done"})
    house.put("a.txt")
    house.look(4)
    assert (house.waiting, house.door.calls) == (["a.txt.done"], 2)


def test_leftovers_of_a_crash_are_swept(tmp_path: Path) -> None:
    """The spool does not fill up; another feed's files there are its own."""
    house = House(tmp_path)
    house.spool.mkdir()
    ours, theirs = house.spool / f"{house.source._spool._mark}-0", house.spool / "other-0"
    ours.touch()
    theirs.touch()
    stop = threading.Event()
    stop.set()
    house.source.run(house.door, stop)
    assert (ours.exists(), theirs.exists()) == (False, True)


def test_a_file_that_breaks_the_connection_comes_last_afterwards(tmp_path: Path) -> None:
    """One file that the server cannot give must not keep the others from coming."""
    house = House(tmp_path)
    house.put("a.txt", b"1|1\n", 1)
    house.put("b.txt", b"2|2\n", 2)
    fetch = house.source._place.fetch

    def cut(entry: files.Entry) -> Iterator[bytes]:
        if entry.name == "a.txt":
            raise errors.EndpointDown("reset")
        return fetch(entry)

    house.source._place.fetch = cut  # type: ignore[method-assign]
    for _ in range(2):
        with pytest.raises(errors.EndpointDown):
            house.look()
    assert house.door.bodies == [b"2|2\n"]


def test_refused_rows_go_back_beside_the_loaded_file(tmp_path: Path) -> None:
    """Whole or not at all, under the loaded file's name; told again after a crash they replace themselves."""
    house = House(tmp_path, rejects={"suffix": ".bad"})
    house.door.claims.bad = [Refused("line 3 amount", "no number", b"2|x\n"), Refused("line 9", "too long", b"8|8|8\n")]
    house.put("a.txt")
    house.look(3)
    assert house.done == ["a.txt", "a.txt.bad"]
    assert (house.folder / "done/a.txt.bad").read_bytes() == b"3\tamount: no number\t2|x\n9\ttoo long\t8|8|8\n"
    assert house.waiting == []
    house.look()
    assert house.done == ["a.txt", "a.txt.bad"]
