"""Fixtures: a store of every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from master.store import Store
from tests.master import engines
from tests.master.desk import Desk


@pytest.fixture(params=list(engines.ENGINES))
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Opens the test's own store; again, after it was closed."""
    opened: list[Store] = []

    def opening() -> Store:
        opened.append(engines.ENGINES[request.param](tmp_path))
        return opened[-1]

    yield opening
    for one in opened:
        one.close()


@pytest.fixture
def store(reopen: Callable[[], Store]) -> Store:
    """An empty store."""
    return reopen()


@pytest.fixture
def desk(store: Store) -> Desk:
    """The apply leader over it."""
    return Desk(store)
