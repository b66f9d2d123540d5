"""Secrets are named by reference and never said aloud."""

from __future__ import annotations

from pathlib import Path

import pytest

from config import secrets
from schemas import errors


def test_references_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Environment, file without its line end, systemd credential; other text is itself."""
    (tmp_path / "pw").write_text("hunter2\n")
    monkeypatch.setenv("PW", "hunter3")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    references = (f"file:{tmp_path}/pw", "env:PW", "credential:pw", "plain")
    assert [secrets.resolve(text) for text in references] == ["hunter2", "hunter3", "hunter2", "plain"]


@pytest.mark.parametrize("text", ["env:MASTERCOPY_ABSENT", "file:/nowhere/at/all", "credential:absent"])
def test_what_is_absent_is_named(text: str) -> None:
    """The reference stands in the error."""
    with pytest.raises(errors.Misconfigured, match=text):
        secrets.resolve(text)
