"""A route file says who gets what; a mistake in it is told with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from routes import route
from schemas import canonical, errors

WHOLE = b"""
route: r
to: care/webhook
entities: [customer, order]
filter: {customer: 'new.level == "gold"'}
only: 'has(changed.status)'
fields: {customer: [customerNo, name]}
mode: latest
batch: 100
concurrency: 4
every: 1s
retry: {first: 1s, longest: 1h, give_up: 2h}
"""


def test_a_route_is_read_whole() -> None:
    """Times in seconds, fields as sets, conditions compiled."""
    one = route.parse(WHOLE, "r")
    assert (one.to, one.system, one.entities, one.mode, one.batch, one.concurrency, one.every) == (
        "care/webhook", "care", ("customer", "order"), "latest", 100, 4, 1.0,
    )  # fmt: skip
    assert one.fields == {"customer": frozenset({"customerNo", "name"})}
    assert one.filter["customer"]({"level": "gold"})
    assert one.retry == route.Retry(first=1.0, longest=3600.0, give_up=7200.0)


def test_what_is_left_out_has_a_default() -> None:
    """Every change of every entity, in order, one by one."""
    one = route.parse(b"route: r\nto: ods/changes\n", "r")
    assert (one.entities, one.filter, one.only, one.mode, one.batch, one.concurrency) == (
        canonical.entity_names(),
        {},
        None,
        "history",
        1,
        1,
    )
    assert one.retry == route.Retry(first=2.0, longest=7200.0, give_up=72 * 3600.0)


def test_one_filter_may_stand_for_all_entities() -> None:
    """Written as a text."""
    assert set(route.parse(b"route: r\nto: ods/changes\nfilter: 'new.a == 1'\n", "r").filter) == set(canonical.entity_names())


@pytest.mark.parametrize(
    ("line", "path", "hint"),
    [
        ("mode: newest", "mode", "latest"),
        ("entities: [custmer]", "entities[0]", "customer"),
        ("fields: {customer: [nmae]}", "fields.customer[0]", "name"),
        ("fields: {custmer: [name]}", "fields.custmer", "customer"),
        ("filter: {customer: 'row.level == 1'}", "filter.customer", "new"),
        ("only: 'changed.level ='", "only", "CEL"),
        ("batch: 0", "batch", "1"),
        ("retyr: {first: 1s}", "retyr", "retry"),
    ],
)
def test_a_mistake_names_its_line_its_path_and_the_nearest_valid(line: str, path: str, hint: str) -> None:
    """As every mistake in this house."""
    with pytest.raises(errors.BadRoute) as found:
        route.parse(f"route: r\nto: care/webhook\n{line}\n".encode(), "r")
    assert (found.value.place.file, found.value.place.line, found.value.place.path) == ("routes/r.yaml", 3, path)
    assert hint in str(found.value)


@pytest.mark.parametrize("text", [b"route: s\nto: care/webhook\n", b"route: r\nto: care\n", b"- r\n", b"route: r\n", b""])
def test_a_route_has_the_name_of_its_file_and_a_sink(text: bytes) -> None:
    """Anything else is no route."""
    with pytest.raises(errors.BadRoute):
        route.parse(text, "r")


def test_an_instance_lays_its_own_over_the_packaged(tmp_path: Path) -> None:
    """Its own file wins whole, its values one by one; a route or sink that is not there is told with the nearest."""
    (tmp_path / "ods.yaml").write_bytes(b"route: ods\nto: ods/changes\nbatch: 7\n")
    folders = [route.PACKAGED, tmp_path]
    found = route.load(folders, {"ods": None, "care": {"batch": 3}}, {"ods/changes", "care/webhook"})
    assert (found["ods"].batch, found["care"].batch, found["care"].mode) == (7, 3, "latest")
    with pytest.raises(errors.BadRoute, match="care"):
        route.load(folders, {"caer": None}, set())
    with pytest.raises(errors.BadRoute, match="ods/changes"):
        route.load(folders, {"ods": None}, {"ods/change"})
