"""pyproject.toml, lock file and Makefile keep their word to the reader."""

import re
from pathlib import Path

from tests.house import tree

PUBLIC = {"https://pypi.org", "https://files.pythonhosted.org"}


def listed(section: str) -> list[str]:
    """The lines of one list in pyproject.toml."""
    text = (tree.ROOT / "pyproject.toml").read_text(encoding="utf-8")
    body = re.search(rf"^{section} = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert body, section
    return [line.strip() for line in body.group(1).splitlines() if line.strip() and not line.strip().startswith("#")]


def test_every_dependency_and_every_lint_exception_says_why() -> None:
    """Each line carries its reason, so that a later reader can tell whether it still holds."""
    silent = [line for section in ("dependencies", "ignore") for line in listed(section) if "  # " not in line and ", # " not in line]
    assert silent == []


def test_the_lock_file_names_public_registries_only() -> None:
    """A lock file made behind a mirror would work there and nowhere else."""
    hosts = set(re.findall(r"https?://[^/\"]+", (tree.ROOT / "uv.lock").read_text(encoding="utf-8")))
    assert hosts <= PUBLIC


def test_the_lock_file_is_of_this_version() -> None:
    """`uv sync --frozen` trusts it."""
    lock = (tree.ROOT / "uv.lock").read_text(encoding="utf-8")
    block = re.search(r'name = "mastercopy"\nversion = "([^"]+)"', lock)
    assert block
    assert block.group(1) == tree.settings()["project"]["version"]


def test_nothing_names_the_machine_it_was_written_on() -> None:
    """A path of one machine in a tracked file is wrong on every other."""
    places = [f"/{top}/{name}" for top, name in (("work", "main"), ("work", "shared"), ("tmp", "v/"), ("opt", "pypi"), ("opt", "wheels"))]
    places += [str(Path.home()) + "/"]
    found = []
    for name in tree.tracked():
        body = (tree.ROOT / name).read_bytes()
        found += [f"{name}: {place}" for place in places if place.encode() in body]
    assert found == []


def test_nothing_is_left_for_later_in_silence() -> None:
    """What is missing stands in an issue, not in a comment."""
    words = ["TO" + "DO", "FIX" + "ME", "X" * 3]
    found = [
        f"{name}: {word}" for name in tree.product() for word in words if re.search(rf"\b{word}\b", (tree.ROOT / name).read_text("utf-8"))
    ]
    assert found == []
