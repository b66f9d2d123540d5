"""Fixtures: a subscription's yard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.routes.yard import Yard


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Callable[..., Yard]]:
    """Makes a yard with a route of these keys."""
    made: list[Yard] = []

    def make(**route: Any) -> Yard:
        made.append(Yard(tmp_path, **route))
        return made[-1]

    yield make
    for one in made:
        one.store.close()
