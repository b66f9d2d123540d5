"""The documents say what is true."""

import re
from pathlib import Path

import pytest
import typer.core
import typer.main

from adapters import endpoints, manifest
from config import marked
from docs import generate
from tests.house import tree

PAGES = [name for name in tree.tracked() if name.endswith(".md")]
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?:^\s*(?:\$ )?|`)mastercopy ([a-z]+)(?: ([a-z]+))?", re.MULTILINE)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    heads = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_leads_somewhere(page: str) -> None:
    """To a file of the repository, and to a heading in it where one is named."""
    source = tree.ROOT / page
    for link in LINK.findall(FENCE.sub("", source.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (source.parent / path).resolve() if path else source
        assert target.exists(), f"{page} links to {link}"
        assert target.is_relative_to(tree.ROOT), f"{page} links outside the repository: {link}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{page} links to {link}"


def commands() -> typer.core.TyperGroup:
    """The command line as it is."""
    from hub import cli

    group = typer.main.get_command(cli.app)
    assert isinstance(group, typer.core.TyperGroup)
    return group


@pytest.mark.parametrize("page", PAGES)
def test_every_command_in_the_documents_exists(page: str) -> None:
    """`mastercopy X Y` in a page is a command that one can type."""
    group = commands()
    for first, second in COMMAND.findall((tree.ROOT / page).read_text(encoding="utf-8")):
        assert first in group.commands, f"{page}: mastercopy {first}"
        command = group.commands[first]
        if second and isinstance(command, typer.core.TyperGroup):
            assert second in command.commands, f"{page}: mastercopy {first} {second}"


def test_every_make_target_in_the_documents_exists() -> None:
    """`make X` in a page is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (tree.ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"`make ([a-z]+)|^make ([a-z]+)", (tree.ROOT / page).read_text(encoding="utf-8"), re.MULTILINE))
        assert {first or second for first, second in named} <= targets, page


def test_every_command_is_described_in_the_readme() -> None:
    """A newcomer finds each command in the table."""
    readme = (tree.ROOT / "README.md").read_text(encoding="utf-8")
    missing = [name for name in commands().commands if f"`mastercopy {name}" not in readme and f"`{name}" not in readme]
    assert missing == []


def test_the_changelog_has_this_version() -> None:
    """What is released is told."""
    log = (tree.ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{tree.settings()['project']['version']}]" in log


def test_every_system_is_described() -> None:
    """Each connected system has a README of its own: who to call, known quirks."""
    systems = {name.rsplit("/", 1)[0] for name in tree.tracked() if re.fullmatch(r"adapters/[^/]+/manifest\.yaml", name)}
    missing = [system for system in sorted(systems) if not (tree.ROOT / system / "README.md").is_file()]
    assert missing == []


def test_borrowed_data_is_named_in_the_notice() -> None:
    """A folder that brings its own licence stands in NOTICE."""
    notice = (tree.ROOT / "NOTICE").read_text(encoding="utf-8")
    borrowed = [name.rsplit("/", 1)[0] for name in tree.tracked() if name.endswith("/LICENSE")]
    assert [folder for folder in borrowed if folder not in notice] == []


@pytest.mark.parametrize("path", generate.PAGES, ids=lambda path: path.name)
def test_reference_pages_say_what_the_product_says(path: Path) -> None:
    """A page that is written from the product is written again when the product changes: `make docs`."""
    assert path.read_text(encoding="utf-8") == generate.PAGES[path]()


def test_the_manifest_of_the_reference_is_a_manifest() -> None:
    """The example can be copied."""
    page = (tree.ROOT / "docs/reference/manifest.md").read_text(encoding="utf-8")
    example, instance = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    files = {"manifest.yaml": example.encode(), "inbound.yaml": b"", "outbound.yaml": b""}
    override = manifest.Override(marked.load(instance.encode(), "hub.yaml").data["systems"]["billing"])
    billing = manifest.parse(files, "billing", override)
    endpoint = billing.feeds["accounts"].endpoint
    assert isinstance(endpoint, endpoints.SftpIn)
    assert endpoint.host == "10.0.0.7"
    assert billing.sinks["customers"].control is not None
