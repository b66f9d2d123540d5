"""The tests can be read as the rules of the product."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.house import tree

FILES = [name for name in tree.tracked() if re.fullmatch(r"tests/.*/test_[^/]+\.py", name)]


def functions(name: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The test functions of one file."""
    for node in ast.walk(ast.parse((tree.ROOT / name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node


@pytest.mark.parametrize("name", FILES)
def test_every_test_says_its_rule(name: str) -> None:
    """In its docstring, as a sentence."""
    assert [node.name for node in functions(name) if not ast.get_docstring(node)] == []


@pytest.mark.parametrize("name", FILES)
def test_every_test_stands_beside_its_room(name: str) -> None:
    """tests/<room>/test_*.py; tests/house judges the repository, tests/conformance every adapter, tests/doors and tests/faults the hub."""
    assert name.split("/")[1] in (*tree.ROOMS, "house", "conformance", "doors", "faults", "benchmarks"), name
