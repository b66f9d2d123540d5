"""Golden ids are UUIDs of version 7 (RFC 9562): they sort by the time of their making."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from master import ids

TIMES = st.integers(0, (1 << 48) * 1000 - 1)


LOW = 2**62 - 1


@given(at=TIMES, bits=st.integers(0, LOW))
def test_an_id_is_a_uuid_of_version_7(at: int, bits: int) -> None:
    """With its time in milliseconds in front; 16 bytes in the store."""
    stored = ids.uuid7(at, bits)
    found = uuid.UUID(bytes=stored)
    assert (str(found), found.version, found.variant) == (ids.unpack(stored), 7, uuid.RFC_4122)
    assert found.int >> 80 == at // 1000
    assert ids.pack(ids.unpack(stored)) == stored


@given(first=TIMES, second=TIMES)
def test_ids_sort_by_time(first: int, second: int) -> None:
    """Also within a millisecond."""
    if first < second:
        assert ids.uuid7(first, LOW)[:8] <= ids.uuid7(second, 0)[:8]


@given(at=TIMES)
def test_ids_of_one_moment_sort_as_they_were_made(at: int) -> None:
    """And keep their time, however many there are; another series of the same moment has others."""
    following, other = ids.series(at, lambda bits: 2**bits - 1), ids.series(at)
    made = [following() for _ in range(100)]
    assert made == sorted(set(made))
    assert {each[:8] for each in made} == {ids.uuid7(at, 0)[:8]}
    assert other() not in made
