"""Mappings roll forward and back without a restart; a wrong one changes nothing; what was in use can be looked at and comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from schemas import errors
from tests.hub import filehub, instance

UPPER = filehub.MAPPING.replace("do: [trim]", "do: [trim, upper]")


def _send(hub: filehub.FileHub, row: str) -> str:
    assert hub.type("send", "bank/live", "--wait", "10", stdin=f"{row}\n".encode()).exit_code == 0
    return str(hub.golden(row[0])["state"]["name"])


def _revisions(hub: filehub.FileHub) -> list[tuple[int, str]]:
    return [(each["revision"], each["state"]) for each in hub.json("revision", "list", "--of", "bank/live")]


def test_a_changed_mapping_makes_versions_of_another_revision_and_rolls_back(tmp_path: Path) -> None:
    """Change, reload, restore: each version knows the mapping that made it."""
    home = tmp_path / "home"
    filehub.written(home)
    file = home / "adapters" / "bank" / "accounts.yaml"
    with filehub.running(home) as hub:
        assert _send(hub, "a|Ann|on") == "Ann"
        file.write_text(UPPER, encoding="utf-8")
        hub.hub.reload()
        assert _send(hub, "b|Bob|on") == "BOB"
        before, after = (hub.json("trace", key)["revision"] for key in "ab")
        assert before["revision"] != after["revision"]
        assert before["hash"] != after["hash"]
        assert _revisions(hub) == [(after["revision"], "active"), (before["revision"], "")]
        shown = hub.json("revision", "show", str(before["revision"]))
        assert shown["files"]["accounts.yaml"] == filehub.MAPPING

        plan = hub.json("revision", "restore", str(before["revision"]), "--dry-run")
        assert [each["file"] for each in plan["changes"]] == ["adapters/bank/accounts.yaml"]
        assert "-      name: {from: NAME, do: [trim, upper], required: true}" in plan["changes"][0]["difference"]
        assert file.read_text(encoding="utf-8") == UPPER
        hub.json("revision", "restore", str(before["revision"]))
        assert file.read_text(encoding="utf-8") == filehub.MAPPING
        assert _send(hub, "c|Cid|on") == "Cid"
        assert hub.json("trace", "c")["revision"]["revision"] == before["revision"]
        assert _revisions(hub) == [(after["revision"], ""), (before["revision"], "active")]


def test_a_wrong_mapping_is_refused_and_the_hub_works_on_with_the_old_one(tmp_path: Path) -> None:
    """The reload says what is wrong, with file and line; a restore mends it."""
    home = tmp_path / "home"
    filehub.written(home)
    file = home / "adapters" / "bank" / "accounts.yaml"
    with filehub.running(home) as hub:
        assert _send(hub, "a|Ann|on") == "Ann"
        file.write_text(filehub.MAPPING.replace("trim", "trimm"), encoding="utf-8")
        with pytest.raises(errors.BadMapping, match="trim"):
            hub.hub.reload()
        assert _send(hub, "b|Bob|on") == "Bob"
        [(good, _)] = _revisions(hub)
        assert hub.json("revision", "restore", str(good))["files"] == 1
        hub.hub.reload()
        assert _send(hub, "c|Cid|on") == "Cid"
    file.write_text("nonsense", encoding="utf-8")
    assert instance.command(home, "revision", "restore", str(good)).exit_code == 0
    assert file.read_text(encoding="utf-8") == filehub.MAPPING


def test_a_revision_that_does_not_fit_any_more_changes_nothing(tmp_path: Path) -> None:
    """What it would break is told, and every file is as it was."""
    home = tmp_path / "home"
    filehub.written(home)
    folder = home / "adapters" / "bank"
    with filehub.running(home) as hub:
        assert _send(hub, "a|Ann|on") == "Ann"
        [(good, _)] = _revisions(hub)
        (folder / "manifest.yaml").write_text(filehub.manifest(home).replace("accounts.yaml", "other.yaml"), encoding="utf-8")
        (folder / "other.yaml").write_text(UPPER, encoding="utf-8")
        (folder / "accounts.yaml").unlink()
        (home / "hub.yaml").write_text("systems: {bank: {feeds: {live: {mapping: other.yaml}}}}\nroutes: [gone]\n", encoding="utf-8")
        done = hub.type("revision", "restore", str(good))
        assert done.exit_code == 3
        assert "no route 'gone'" in done.stderr
        assert sorted(path.name for path in folder.iterdir()) == ["manifest.yaml", "other.yaml"]


def test_a_packaged_system_becomes_the_homes_own_when_it_is_restored(tmp_path: Path) -> None:
    """The whole folder, since it takes the packaged one's place."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "hub.yaml").write_text("systems: {crm: {}}\nroutes: []\n", encoding="utf-8")
    with filehub.running(home) as hub:
        assert hub.type("send", "crm/customers", "--wait", "10", stdin=instance.customer(CUST_ID="C1")).exit_code == 0
        [row] = hub.json("revision", "list", "--of", "crm/customers")
        assert hub.json("revision", "restore", str(row["revision"]))["files"] == 0
        assert not (home / "adapters").exists()
        assert json.loads(hub.type("revision", "list", "-o", "json").stdout)[0]["hash"] == row["hash"]
