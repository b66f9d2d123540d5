"""What the tests of the house look at: the tracked files, the rooms, the settings, and who imports what."""

import ast
import functools
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("adapters", "config", "demo", "hub", "master", "monitor", "routes", "schemas", "transformers")


@functools.cache
def tracked() -> tuple[str, ...]:
    """Every file that is, or is about to be, in the repository; paths relative to its root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return tuple(sorted(name for name in set(names) if name and (ROOT / name).is_file()))


@functools.cache
def settings() -> dict[str, Any]:
    """`pyproject.toml`."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def product() -> Iterator[str]:
    """The Python files of the rooms and the door."""
    return (name for name in tracked() if name.endswith(".py") and (name.split("/")[0] in ROOMS or name == "mastercopy.py"))


def imports(name: str) -> set[str]:
    """The dotted names that a Python file imports, wherever in the file it does so."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"), filename=name)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level)
    return found
