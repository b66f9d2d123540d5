"""Generated histories: few keys and few values, so that everything meets everything."""

from __future__ import annotations

import random
from typing import Any

from schemas.envelope import Candidate
from tests.master.desk import record


def history(seed: int) -> list[list[Candidate]]:
    """Up to forty rows of one or two candidates each."""
    dice = random.Random(seed)
    return [[_candidate(dice) for _ in range(dice.choice([1, 1, 1, 2]))] for _ in range(dice.randint(1, 40))]


def early(seed: int) -> list[int]:
    """Rows that are corrected copies."""
    dice = random.Random(seed)
    return [dice.randrange(40) for _ in range(dice.choice([0, 0, 3]))]


def _candidate(dice: random.Random) -> Candidate:
    source, key = dice.choice(["crm", "billing"]), dice.choice("123")
    sequence = dice.choice([None, None, *range(1, 7)])
    if dice.random() < 0.2:
        return record(key, None, source=source, entity=dice.choice(["customer", "account"]), sequence=sequence)
    state: dict[str, Any] = {
        name: dice.choice(values) for name, values in (("name", "ab"), ("level", "xy"), ("branch", "MN")) if dice.random() < 0.6
    }
    if dice.random() < 0.5:
        return record(key, state, source=source, sequence=sequence, match=state.get("branch"))
    if dice.random() < 0.8:
        state["customer"] = {"source": dice.choice(["crm", "billing"]), "key": dice.choice("123")}
    return record(
        key, state, source=source, entity="account", sequence=sequence, match=state.get("branch") if state.get("level") == "x" else None
    )
