"""Who may import what, beyond the layers that import-linter holds."""

import importlib.metadata
import re
import sys
from collections import defaultdict

import pytest

from tests.house import tree

# One foreign library lives in one file. The books of the house name some of these files:
HOMES = {
    "kombu": "adapters/amqp.py",
    "paramiko": "adapters/sftp.py",
    "lxml": "transformers/xml.py",
    "cel": "transformers/cel.py",
    "yaml": "config/marked.py",
    "jsonschema": "schemas/checks.py",
    "jsonschema_rs": "schemas/checks.py",
}
# Some are the language of one room:
ROOM_WIDE = {
    "typer": "hub/",
    "rich": "hub/",
    "starlette": "monitor/",
    "fastapi": "monitor/",
    "sqlalchemy": "master/",
    "alembic": "master/",
}
# And two are as common as the standard library:
ANYWHERE = {"orjson", "structlog"}
# Found by name at run time, imported by nobody: uvicorn's event loop and parser.
BY_NAME = {"uvloop", "httptools"}


def foreign() -> dict[str, set[str]]:
    """Library (its import name) -> the product files that import it."""
    users: dict[str, set[str]] = defaultdict(set)
    for name in tree.product():
        for dotted in tree.imports(name):
            top = dotted.split(".")[0]
            if top and top not in sys.stdlib_module_names and top not in (*tree.ROOMS, "mastercopy"):
                users[top].add(name)
    return users


def declared() -> set[str]:
    """The import names of the run-time dependencies in pyproject.toml."""
    distributions = {re.split(r"[^A-Za-z0-9._-]", line)[0].lower() for line in tree.settings()["project"]["dependencies"]}
    folded = {re.sub(r"[-_.]+", "-", name) for name in distributions}
    return {
        module
        for module, owners in importlib.metadata.packages_distributions().items()
        if any(re.sub(r"[-_.]+", "-", owner.lower()) in folded for owner in owners)
    }


def test_a_foreign_library_lives_in_one_file() -> None:
    """A library that has to be replaced is replaced in one place. The demo is the other side of the wire: it has one place of its own."""
    strays = []
    for library, users in foreign().items():
        home = HOMES.get(library) or ROOM_WIDE.get(library)
        demo = {user for user in users if user.startswith("demo/")}
        hub = {user for user in users - demo if not (home and user.startswith(home))}
        if library in ANYWHERE:
            continue
        if hub and (home or len(hub) > 1):
            strays.append(f"{library} belongs in {home or 'one file'}, and is imported by {', '.join(sorted(hub))}")
        if len(demo) > 1:
            strays.append(f"{library} belongs in one file of the demo, and is imported by {', '.join(sorted(demo))}")
    assert strays == []


def test_what_is_imported_is_declared() -> None:
    """A library that only comes along with another may vanish with the other's next release."""
    undeclared = {library: users for library, users in foreign().items() if library not in declared()}
    assert undeclared == {}


def test_what_is_declared_is_used() -> None:
    """A dependency that nobody imports is dead weight for every operator."""
    used = set(foreign()) | BY_NAME
    for line in tree.settings()["project"]["dependencies"]:
        name = re.split(r"[^A-Za-z0-9._-]", line)[0]
        folded = re.sub(r"[-_.]+", "-", name.lower())
        modules = {
            module
            for module, owners in importlib.metadata.packages_distributions().items()
            if folded in {re.sub(r"[-_.]+", "-", owner.lower()) for owner in owners}
        }
        assert modules & used, f"{name} is declared and never imported"


def test_a_system_folder_imports_no_other_system() -> None:
    """A system's own Python knows the adapter contract, the configuration words and the schemas, and nothing else of the house."""
    systems = {name.split("/")[1] for name in tree.tracked() if re.fullmatch(r"adapters/[^/]+/manifest\.yaml", name)}
    for name in tree.product():
        if not any(name.startswith(f"adapters/{system}/") for system in systems):
            continue
        for dotted in tree.imports(name):
            room, _, rest = dotted.partition(".")
            allowed = room not in (*tree.ROOMS, "mastercopy", "") or room in ("schemas", "config") or rest.split(".")[0] == "contract"
            assert allowed or dotted == "adapters", f"{name} imports {dotted}"


def test_imports_are_absolute() -> None:
    """A line says where a name comes from; nobody counts dots."""
    dotted = [name for name in tree.product() if any(found.startswith(".") for found in tree.imports(name))]
    assert dotted == []


def test_the_product_never_imports_its_tests() -> None:
    """What ships works without tests/ and benchmarks/."""
    for name in tree.product():
        assert not {dotted.split(".")[0] for dotted in tree.imports(name)} & {"tests", "benchmarks", "pytest", "hypothesis"}, name


@pytest.mark.parametrize("room", tree.ROOMS)
def test_every_room_is_known_to_every_tool(room: str) -> None:
    """A room that one tool does not know is neither packaged, typed, measured nor held to the layers."""
    tools = tree.settings()["tool"]
    assert f"mastercopy_house.{room}" in tools["setuptools"]["packages"]
    assert tools["setuptools"]["package-dir"][f"mastercopy_house.{room}"] == room
    assert room in tools["mypy"]["files"]
    assert room in tools["coverage"]["run"]["source"]
    assert room in tools["importlinter"]["root_packages"]
    layers = [part.strip() for layer in tools["importlinter"]["contracts"][0]["layers"] for part in layer.split("|")]
    assert room in layers
