"""The catalogue finds system folders, the packaged and the operator's own, and reads them whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters import catalogue, endpoints
from schemas import errors

MANIFEST = "system: {name}\nname: {{en: {title}}}\nfeeds:\n  rows:\n    over: http\n    format: {{kind: json}}\n    mapping: inbound.yaml\n"


def system(folder: Path, name: str, title: str = "One") -> Path:
    """A small system folder."""
    place = folder / name
    (place / "tables").mkdir(parents=True)
    (place / "manifest.yaml").write_text(MANIFEST.format(name=name, title=title))
    (place / "inbound.yaml").write_text("mapping: x\n")
    (place / "tables" / "status.csv").write_bytes(b"theirs,ours\n")
    return place


def test_a_folder_is_read_whole_without_hidden_files(tmp_path: Path) -> None:
    """Names are relative to the folder; caches and hidden files are no part of a revision."""
    place = system(tmp_path, "crm")
    (place / "__pycache__").mkdir()
    (place / "__pycache__" / "x.pyc").write_bytes(b"")
    (place / ".swp").write_bytes(b"")
    found = catalogue.load([tmp_path]).system("crm")
    assert sorted(found.files) == ["inbound.yaml", "manifest.yaml", "tables/status.csv"]
    assert found.folder == place


def test_the_operators_folder_wins_over_the_packaged(tmp_path: Path) -> None:
    """A system of the same name in a later folder replaces the whole folder."""
    system(tmp_path / "packaged", "crm", "Ours")
    system(tmp_path / "packaged", "boss", "Boss")
    system(tmp_path / "home", "crm", "Theirs")
    found = catalogue.load([tmp_path / "packaged", tmp_path / "home", tmp_path / "absent"])
    assert {name: one.manifest.title.en for name, one in found.systems.items()} == {"boss": "Boss", "crm": "Theirs"}


def test_names_are_looked_up_with_a_hint(tmp_path: Path) -> None:
    """A wrong name is answered with the nearest."""
    system(tmp_path, "crm")
    found = catalogue.load([tmp_path])
    assert isinstance(found.feed("crm/rows").endpoint, endpoints.HttpIn)
    with pytest.raises(errors.NotFound, match="crm/rows"):
        found.feed("crm/row")
    with pytest.raises(errors.BadManifest, match="crm"):
        catalogue.load([tmp_path], {"cmr": {}})


def test_one_bad_system_does_not_hide_the_others(tmp_path: Path) -> None:
    """`load_all` answers what is right and every finding."""
    system(tmp_path, "crm")
    system(tmp_path, "boss").joinpath("inbound.yaml").unlink()
    found, findings = catalogue.load_all([tmp_path])
    assert list(found.systems) == ["crm"]
    assert [finding.place.file for finding in findings] == ["boss/manifest.yaml"]
