"""`mastercopy test` on the command line: every pair is replayed, differences can be read, the exit code tells."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adapters import catalogue
from hub import cli, samples


def run(*arguments: str) -> Result:
    """The command with these arguments."""
    return CliRunner().invoke(cli.app, ["test", *arguments])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An instance with a CRM of its own."""
    shutil.copytree(catalogue.PACKAGED / "crm", tmp_path / "adapters" / "crm")
    (tmp_path / "hub.yaml").write_text("systems: {crm: {}}\n", encoding="utf-8")
    return tmp_path


def test_all_pairs_of_the_packaged_systems_hold() -> None:
    """Each is replayed, and each comes out as it says."""
    done = run("-o", "json")
    told = json.loads(done.stdout)
    pairs = [pair.id for system in catalogue.load([catalogue.PACKAGED]).systems.values() for pair in samples.find(system)]
    assert done.exit_code == 0
    assert [result["pair"] for result in told["results"] if result["ok"]] == pairs
    assert (told["pairs"], told["failed"]) == (len(pairs), 0)
    assert all(one["unused"] == [] for one in told["coverage"])


def test_one_system_can_be_asked_for() -> None:
    """The others are left alone."""
    assert {result["pair"].split("/")[0] for result in json.loads(run("boss", "-o", "json").stdout)["results"]} == {"boss"}


def test_a_difference_is_shown_by_line_and_ends_with_7(home: Path) -> None:
    """What was wanted with a minus, what came with a plus."""
    wanted = home / "adapters/crm/samples/customers/person.out.json"
    wanted.write_text(wanted.read_text(encoding="utf-8").replace("浙江分公司", "江苏分公司"), encoding="utf-8")
    done = run("--home", str(home))
    assert done.exit_code == 7
    assert "crm/customers/person.in.json gives something else than samples/customers/person.out.json" in done.stdout
    assert '  -      "branch": "江苏分公司"' in done.stdout
    assert '  +      "branch": "浙江分公司"' in done.stdout
    total = len(samples.find(catalogue.load([home / "adapters"]).system("crm")))
    assert f"crm          {total - 1} of {total} pairs hold" in done.stdout


def test_coverage_names_the_rules_that_no_sample_uses(home: Path) -> None:
    """With line and place in the mapping; being uncovered is no failure."""
    for part in ("in", "out"):
        (home / f"adapters/crm/samples/customers/delete.{part}.json").unlink()
    done = run("crm", "--home", str(home), "--coverage")
    assert done.exit_code == 0
    assert "records[0].delete is not" in done.stdout
    assert "accounts.yaml: 10 of 10 rules are covered (100%)" in done.stdout


def test_a_mapping_with_a_mistake_ends_with_3(home: Path) -> None:
    """There is nothing to replay with; all that is wrong is told."""
    mapping = home / "adapters/crm/manifest.yaml"
    mapping.write_text(mapping.read_text(encoding="utf-8").replace("limit:", "limt:"), encoding="utf-8")
    done = run("--home", str(home))
    assert done.exit_code == 3
    assert done.stderr.count("Did you mean 'limit'?") == 3


def test_a_system_that_nobody_knows_ends_with_4() -> None:
    """With the nearest name."""
    done = run("bos")
    assert done.exit_code == 4
    assert "'boss'" in done.stderr
