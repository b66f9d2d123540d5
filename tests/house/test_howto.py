"""The system that the how-to builds is a system: its files, copied from the page, pass their own tests."""

import re
from pathlib import Path

import pytest

from adapters import catalogue
from config import marked
from hub import check, samples
from tests.house import tree
from transformers import mapping

PAGE = tree.ROOT / "docs/how-to/add-a-system.md"
FILE = re.compile(r"^(?:[^\n]*\. )?`([a-z]+(?:/[^`\s]+|\.yaml))`:\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with the files of the page in it."""
    for name, text in FILE.findall(PAGE.read_text(encoding="utf-8")):
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return tmp_path


def test_the_samples_of_the_page_hold(home: Path) -> None:
    """What the shop sends becomes what the page says, the bad one is refused as it says, and it receives what is promised."""
    shop = catalogue.load([home / "adapters"]).system("shop")
    results = samples.replay(shop)
    assert len(results) == 3
    assert {result.pair.id: result.difference for result in results if not result.ok} == {}


def test_check_finds_nothing_in_the_home_of_the_page(home: Path) -> None:
    """Who follows the page step by step ends with a clean house."""
    assert check.check(home) == []


def test_the_route_of_the_page_leads_to_the_shop(home: Path) -> None:
    """It names a sink that the manifest has."""
    route = marked.load((home / "routes/shop.yaml").read_bytes(), "shop.yaml").data
    assert catalogue.load([home / "adapters"]).sink(route["to"]).mapping == "outbound.yaml"


def test_the_mapping_of_the_page_writes_changes(home: Path) -> None:
    """The outbound half compiles and gives what the shop is promised."""
    shop = catalogue.load([home / "adapters"]).system("shop")
    state = {"name": "王芳", "contactMedium": [{"type": "mobile", "value": "+8613812345678"}]}
    change = {"id": "e1", "key": "g1", "version": 3, "event": "update", "entity": "customer", "state": state}
    (record,) = mapping.parse(shop.files, "outbound.yaml", system="shop").run(change)
    assert record.state["mobile"] == "13812345678"
    assert record.state["version"] == 3


@pytest.mark.parametrize("page", ["README.md", "docs/reference/mapping.md"])
def test_the_mappings_in_the_manual_compile(page: str) -> None:
    """Every mapping that a page shows can be copied; only the code tables that it names are made up here."""
    text = (tree.ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```yaml\n(# (?:in|out)bound\.yaml\n.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        tables = {f"tables/{name}.csv": b"theirs,ours\n" for name in re.findall(r"table: (\w+)", block)}
        found, wrong = mapping.parse_all({"shown.yaml": block.encode(), **tables}, "shown.yaml", system="shown")
        assert [str(each) for each in wrong] == []
        assert found
