"""What every sink must do, whatever it speaks."""

from __future__ import annotations

import logging
import threading

import pytest

from adapters.contract import Batch, Item, Sink
from schemas import errors
from tests.conformance import kits
from tests.services import wait_for


def batch(number: int, body: bytes = b'{"a": 1}', last: int = 0) -> Batch:
    """A batch that begins at sequence number `number`."""
    items = [Item(f"e{seq}", seq, "customer", f"c{seq}", 1, "enter") for seq in range(number, (last or number) + 1)]
    return Batch("ods", f"ods-{number:08d}", body, "application/json", items)


def test_what_was_sent_is_there(sink: kits.SinkKit) -> None:
    """`send` returns once the other side has it: bytes as they were, in order."""
    one = sink.make()
    for number in range(1, 6):
        one.send(batch(number, b"body %d \xff\x00" % number))
    one.close()
    assert [body for _, body in sink.got()] == [b"body %d \xff\x00" % number for number in range(1, 6)]


def test_a_repeat_is_recognisable(sink: kits.SinkKit) -> None:
    """The same batch again has the same name or id; files are simply replaced."""
    one = sink.make()
    one.send(batch(1))
    one.send(batch(1))
    one.close()
    assert len({name for name, _ in sink.got()}) == 1
    assert one.idempotent in ("version", "name")


def test_a_batch_that_has_grown_is_not_taken_for_a_repeat(sink: kits.SinkKit) -> None:
    """After a crash a batch may begin at the same change and hold more: a receiver that drops repeated ids must still take it."""
    one = sink.make()
    one.send(batch(1, b"one"))
    one.send(batch(1, b"one and two", last=2))
    one.close()
    got = sink.got()
    assert got[-1][1] == b"one and two"
    assert one.idempotent == "name" or len({name for name, _ in got}) == 2


def test_threads_send_side_by_side(sink: kits.SinkKit) -> None:
    """One instance, several lanes."""
    one = sink.make()
    failures: list[BaseException] = []

    def work(lane: int) -> None:
        try:
            for number in range(5):
                one.send(batch(lane * 100 + number + 1, b"%d" % (lane * 100 + number)))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(lane,)) for lane in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    one.close()
    assert failures == []
    assert len(sink.got()) == 20


def test_a_ping_leaves_nothing(sink: kits.SinkKit) -> None:
    """One line, and no delivery."""
    one = sink.make()
    assert "\n" not in one.ping()
    one.close()
    assert sink.got() == []


def test_closing_is_harmless(sink: kits.SinkKit) -> None:
    """Before anything, twice, after a failure; and a sink that is used again connects again."""
    one = sink.make()
    one.close()
    one.send(batch(1))
    one.close()
    one.close()
    one.send(batch(2))
    one.close()


def test_a_peer_that_is_gone_is_a_retry_and_comes_back(mortal_sink: kits.SinkKit) -> None:
    """Nothing is refused, nothing is Stop; the same sink goes on when the peer is there again."""
    sink = mortal_sink
    one = sink.make()
    one.send(batch(1))
    sink.down()
    for _ in range(2):
        with pytest.raises(errors.Retry):
            one.send(batch(2))
    with pytest.raises(errors.Retry):
        one.ping()
    if sink.up:
        sink.up()
        wait_for(lambda: _sent(one, batch(2)))
        assert len({name for name, _ in sink.got()}) == 2
    one.close()


def _sent(sink: Sink, one: Batch) -> bool:
    try:
        sink.send(one)
    except errors.Retry:
        return False
    return True


def test_no_secret_is_ever_said(sink: kits.SinkKit, caplog: pytest.LogCaptureFixture) -> None:
    """Not in a log of any level of any library, nor in what is printed of the objects."""
    caplog.set_level(logging.DEBUG)
    one = sink.make()
    one.send(batch(1))
    printed = repr(one) + repr(vars(one))
    one.close()
    assert kits.SECRET not in caplog.text + printed
