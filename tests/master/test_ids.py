"""Golden ids are UUIDs of version 7 (RFC 9562): they sort by the time of their making."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from master import ids

TIMES = st.integers(0, (1 << 48) * 1000 - 1)


@given(at=TIMES, bits=st.integers(0, 2**62 - 1))
def test_an_id_is_a_uuid_of_version_7(at: int, bits: int) -> None:
    """With its time in milliseconds in front; 16 bytes in the store."""
    text = ids.uuid7(at, lambda _: bits)
    found = uuid.UUID(text)
    assert (str(found), found.version, found.variant) == (text, 7, uuid.RFC_4122)
    assert found.int >> 80 == at // 1000
    assert ids.unpack(ids.pack(text)) == text


@given(first=TIMES, second=TIMES)
def test_ids_sort_by_time(first: int, second: int) -> None:
    """Also within a millisecond."""
    if first < second:
        assert ids.uuid7(first, lambda _: 2**62 - 1)[:18] <= ids.uuid7(second, lambda _: 0)[:18]
    assert len({ids.uuid7(first) for _ in range(100)}) == 100
