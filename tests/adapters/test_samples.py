"""The samples of every packaged system are its tests."""

from __future__ import annotations

import dataclasses
import functools
import json

import pytest

from adapters import catalogue
from hub import samples
from schemas import errors

SYSTEMS = catalogue.load([catalogue.PACKAGED]).systems
PAIRS = [pair for system in SYSTEMS.values() for pair in samples.find(system)]


@functools.cache
def results(name: str) -> dict[str, samples.Result]:
    """All results of a system, by the pair's id."""
    return {result.pair.id: result for result in samples.replay(SYSTEMS[name])}


@pytest.mark.parametrize("pair", PAIRS, ids=[pair.id for pair in PAIRS])
def test_every_pair_comes_out_as_wanted(pair: samples.Pair) -> None:
    """Theirs becomes the canonical records, a bad one its failures, a change what the subscriber gets."""
    result = results(pair.system)[pair.id]
    assert result.ok, result.difference


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_mapping_rule_is_used_by_a_sample(name: str) -> None:
    """A rule that no sample reaches is not tested."""
    found = samples.coverage(SYSTEMS[name], list(results(name).values()))
    assert found
    assert [(covered.file, used.rule.path) for covered in found for used in covered.unused] == []


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_feed_and_sink_has_samples_and_every_feed_a_bad_one(name: str) -> None:
    """No endpoint goes untested, and none is only tested with what is right."""
    system = SYSTEMS[name]
    kinds = {(pair.end, pair.kind) for pair in samples.find(system)}
    wanted = {(feed, kind) for feed in system.manifest.feeds for kind in ("in", "bad")}
    assert wanted | {(sink, "change") for sink in system.manifest.sinks} <= kinds


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_says_whom_to_call_in_both_languages(name: str) -> None:
    """The README names the owner's address, and has a Chinese part."""
    readme = SYSTEMS[name].files["README.md"].decode()
    assert SYSTEMS[name].manifest.owner.contact in readme
    assert SYSTEMS[name].manifest.title.zh in readme


def with_file(system: catalogue.System, name: str, body: bytes) -> catalogue.System:
    """A system with one file more, or another in its place."""
    return dataclasses.replace(system, files={**system.files, name: body})


def without_file(system: catalogue.System, name: str) -> catalogue.System:
    """A system with one file less."""
    return dataclasses.replace(system, files={key: body for key, body in system.files.items() if key != name})


PERSON = "samples/customers/person.out.json"


def test_a_wrong_result_is_shown_as_a_difference_of_lines() -> None:
    """The reader sees the value that was wanted and the one that came."""
    body = SYSTEMS["crm"].files[PERSON].replace("浙江分公司".encode(), "江苏分公司".encode())
    result = next(result for result in samples.replay(with_file(SYSTEMS["crm"], PERSON, body)) if result.pair.wanted == PERSON)
    assert not result.ok
    assert '-      "branch": "江苏分公司",\n+      "branch": "浙江分公司",' in result.difference
    assert json.loads(result.actual)[0]["state"]["branch"] == "浙江分公司"


def test_an_expected_failure_that_does_not_come_is_a_difference() -> None:
    """A bad sample that was mended is no bad sample any more."""
    system = SYSTEMS["crm"]
    mended = with_file(system, "samples/customers/no-name.bad.json", system.files["samples/customers/person.in.json"])
    result = next(result for result in samples.replay(mended) if result.pair.given == "samples/customers/no-name.bad.json")
    assert '-    "stage": "check",' in result.difference


def test_a_good_sample_that_fails_says_at_which_stage() -> None:
    """The failure stands where the difference would."""
    system = SYSTEMS["crm"]
    broken = with_file(system, "samples/customers/person.in.json", system.files["samples/customers/unknown-type.bad.json"])
    result = next(result for result in samples.replay(broken) if result.pair.wanted == PERSON)
    assert result.difference.startswith("record 0 failed at map: customers.yaml:")


def test_a_change_that_is_not_canonical_is_not_sent() -> None:
    """An outbound sample starts from what the hub could really hold."""
    change = "samples/changes/customer.change.json"
    body = SYSTEMS["ods"].files[change].replace(b'"kind": "individual"', b'"kind": "robot"')
    result = next(result for result in samples.replay(with_file(SYSTEMS["ods"], change, body)) if result.pair.given == change)
    assert result.difference == "change 0: state.kind: expected one of individual, organization, got 'robot'"


def test_an_unused_rule_is_named() -> None:
    """Coverage says which rule no sample reaches."""
    system = SYSTEMS["crm"]
    for name in ("samples/customers/delete.in.json", "samples/customers/delete.out.json"):
        system = without_file(system, name)
    found = samples.coverage(system, samples.replay(system))
    assert [(each.file, used.rule.path) for each in found for used in each.unused] == [("customers.yaml", "records[0].delete")]
    assert 0.9 < min(each.share for each in found) < 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("samples/customers/alone.in.json", "a sample without its .out file"),
        ("samples/customers/alone.out.json", "a result without its sample"),
        ("samples/custmers/x.in.json", "no feed 'custmers'"),
        ("samples/customers/x.change.json", "no sink 'customers'"),
        ("samples/customers/notes.txt", "not the name of a sample"),
    ],
)
def test_a_stray_sample_is_refused_with_its_place(name: str, words: str) -> None:
    """Nothing in samples/ is silently not replayed."""
    with pytest.raises(errors.BadManifest, match=words) as caught:
        samples.find(with_file(SYSTEMS["crm"], name, b"{}"))
    assert caught.value.place.file == f"crm/{name}"
    assert caught.value.hint
