"""The error tree: each class has a sentence, one way to go on, and crosses process borders whole."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest

from schemas import errors


def tree(kind: type[errors.MastercopyError]) -> Iterator[type[errors.MastercopyError]]:
    """The class and all below it."""
    yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


ALL = sorted(set(tree(errors.MastercopyError)), key=lambda kind: kind.__name__)
WAYS = (errors.Retry, errors.Reject, errors.Stop)


@pytest.mark.parametrize("kind", ALL)
def test_the_docstring_is_the_message(kind: type[errors.MastercopyError]) -> None:
    """One plain sentence of its own, no trailing detail."""
    assert "__doc__" in vars(kind)
    assert kind.__doc__ is not None
    assert kind.__doc__.endswith(".")
    assert kind.__doc__[0].isupper()
    assert "\n" not in kind.__doc__
    assert str(kind()).startswith(kind.__doc__.rstrip("."))


def test_no_two_classes_say_the_same() -> None:
    """A sentence names its class."""
    assert len({kind.__doc__ for kind in ALL}) == len(ALL)


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind is not errors.MastercopyError])
def test_exactly_one_thing_happens_next(kind: type[errors.MastercopyError]) -> None:
    """Every class below the root is a Retry, a Reject or a Stop, and not two of them."""
    assert sum(issubclass(kind, way) for way in WAYS) == 1


@pytest.mark.parametrize("kind", ALL)
def test_errors_survive_pickling(kind: type[errors.MastercopyError]) -> None:
    """Place, value and hint come back from the decode pool."""
    error = kind("the detail", place=errors.Place("crm/inbound.yaml", 7, "fields.name"), value="张伟", hint="Look there")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert vars(copy) == vars(error)
    assert str(copy) == str(error)


def test_one_line_says_place_sentence_detail_value_and_hint() -> None:
    """The whole error in one readable line."""
    error = errors.BadMapping("no field 'nam'", place=errors.Place("inbound.yaml", 3, "fields.nam"), value="nam", hint="Nearest: name")
    assert str(error) == "inbound.yaml:3 fields.nam: The mapping file is wrong: no field 'nam' (got 'nam'). Nearest: name"


def test_a_retry_keeps_the_wait_that_was_asked_for() -> None:
    """`after` in seconds travels with the error."""
    assert pickle.loads(pickle.dumps(errors.Throttled(after=2.5))).after == 2.5
