"""One process for all fault tests that hubs are forked from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo.child import Child
from tests.faults import world


@pytest.fixture(scope="session")
def forks() -> Iterator[Child]:
    with world.zygote() as child:
        yield child
