"""Reads pytest's report and fails if a test was left out: on the build machine nothing may be missing.

One reason is let through, and printed: the test data that stands beside the repository (../shared/data) and may not be
copied into it, where that folder is absent.
"""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"
EXCUSE = "../shared/data is absent"


def skipped(report: Path) -> list[tuple[str, str]]:
    """(test, reason) for each skipped test; pytest's own report is trusted input."""
    cases = ET.parse(report).getroot().iter("testcase")  # noqa: S314
    return [
        (f"{case.get('classname')}::{case.get('name')}", entry.get("message", "")) for case in cases for entry in case.findall("skipped")
    ]


def main(report: Path) -> int:
    """Print what was left out; 1 if any of it had to run."""
    missing = [(test, reason) for test, reason in skipped(report) if BESIDE.is_dir() or EXCUSE not in reason]
    excused = len(skipped(report)) - len(missing)
    if excused:
        print(f"ci: {excused} tests of data beside the repository left out: {EXCUSE}")
    for test, reason in missing:
        print(f"ci: left out: {test}: {reason}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
