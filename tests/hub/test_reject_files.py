"""Refused rows go back to their sender: beside the loaded file, each with its line in it and the reason."""

from __future__ import annotations

from pathlib import Path

from tests.hub import filehub, instance


def test_refused_rows_are_written_beside_the_done_file(tmp_path: Path) -> None:
    """The line is that of the file, whatever chunk it was in and whatever stood between."""
    filehub.written(tmp_path / "home", "rejects: {suffix: .rej}", header=True)
    with filehub.running(tmp_path / "home") as hub:
        rows = ["ID|NAME|STATE", "a|Ann|on", "", "b|Bob|on", "c||on", "d|Dan|on", "e|too|many|cells", "f|Fay|on", "g||on"]
        hub.put("acct.txt", *rows)
        told = hub.drop / "done" / "acct.txt.rej"
        instance.soon(told.exists)
        lines = [line.split("\t") for line in told.read_text(encoding="utf-8").splitlines()]
        assert [(number, raw) for number, _, raw in lines] == [
            ("line", "ID|NAME|STATE"), ("5", "c||on"), ("7", "e|too|many|cells"), ("9", "g||on"),
        ]  # fmt: skip
        assert "accounts.yaml" in lines[1][1]
        assert lines[0][1] == "reason"
        paths = [letter["path"] for letter in hub.json("dead", "list")]
        assert [path.startswith(f"acct.txt line {line}") for path, line in zip(paths, (9, 7, 5), strict=True)] == [True] * 3
        groups = hub.json("dead", "list", "--groups")
        assert sorted(group["letters"] for group in groups) == [1, 2]
        instance.soon(lambda: not hub.hub.store.endings.open())


def test_a_file_without_refused_rows_gets_no_reject_file(tmp_path: Path) -> None:
    """Nor does one whose feed did not ask for it."""
    filehub.written(tmp_path / "home", "rejects: {}")
    with filehub.running(tmp_path / "home") as hub:
        hub.load("acct.txt", "a|Ann|on")
        instance.soon(lambda: not hub.hub.store.endings.open())
        assert sorted(path.name for path in (hub.drop / "done").iterdir()) == ["acct.txt"]


def test_the_reject_file_is_written_after_a_restart_too(tmp_path: Path) -> None:
    """What is left to tell stands in the store."""
    home = tmp_path / "home"
    filehub.written(home, "rejects: {}")
    with filehub.running(home) as hub:
        hub.put("acct.txt", "a|Ann|on", "b||on")
        instance.soon(lambda: hub.hub.store.files.recent(1))
    with filehub.running(home) as hub:
        instance.soon((hub.drop / "done" / "acct.txt.rej").exists)
        assert (hub.drop / "done" / "acct.txt.rej").read_text(encoding="utf-8").startswith("2\t")
