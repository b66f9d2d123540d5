"""What is installed is what stands in the repository, under names that collide with nobody's."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.house import tree


class Installed(NamedTuple):
    """A fresh environment with the wheel in it, and beside it a package that is called like one of our rooms."""

    wheel: Path
    python: Path
    site: Path


def build(source: Path, out: Path) -> Path:
    """The wheel of a project, by the back end that stands in the lock file."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.whl"))


def stand_in(folder: Path) -> Path:
    """A distribution named `transformers`, in place of Hugging Face's, whose name is all that matters and whose size is not wanted here."""
    (folder / "transformers").mkdir(parents=True)
    (folder / "transformers" / "__init__.py").write_text('WHOSE = "theirs"\n')
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "transformers"\nversion = "99"\n[tool.setuptools]\npackages = ["transformers"]\n'
    )
    return folder


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build from the tracked files alone, install into an environment of its own."""
    top = tmp_path_factory.mktemp("wheel")
    for name in tree.tracked():
        target = top / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(tree.ROOT / name, target)
    wheel = build(top / "source", top / "ours")
    theirs = build(stand_in(top / "theirs"), top / "their")
    subprocess.run([sys.executable, "-m", "venv", str(top / "env")], check=True)
    python = top / "env" / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", str(wheel), str(theirs)]
    subprocess.run(command, check=True, capture_output=True)
    return Installed(wheel, python, next((top / "env" / "lib").glob("python3*/site-packages")))


def run(python: Path, *arguments: str) -> str:
    """Run in the fresh environment; the dependencies are lent from the environment of the tests."""
    environment = os.environ | {"PYTHONPATH": sysconfig.get_path("purelib"), "NO_COLOR": "1"}
    done = subprocess.run(
        [str(python), *arguments], capture_output=True, text=True, check=False, env=environment, cwd=python.parent, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_nothing_generic_reaches_site_packages(installed: Installed) -> None:
    """One module and one folder, both called after us."""
    tops = {name.split("/")[0] for name in zipfile.ZipFile(installed.wheel).namelist()}
    version = tree.settings()["project"]["version"]
    assert tops == {"mastercopy.py", "mastercopy_house", f"mastercopy-{version}.dist-info"}


def test_every_file_of_every_room_is_in_the_wheel(installed: Installed) -> None:
    """Manifests, mappings, samples, SQL, migrations, pages: an installed hub misses nothing that a checkout has."""
    inside = set(zipfile.ZipFile(installed.wheel).namelist())
    missing = [name for name in tree.tracked() if name.split("/")[0] in tree.ROOMS and f"mastercopy_house/{name}" not in inside]
    assert missing == []


def test_the_wheel_holds_nothing_else(installed: Installed) -> None:
    """No caches, no tests, nothing that is not tracked."""
    inside = [name.removeprefix("mastercopy_house/") for name in zipfile.ZipFile(installed.wheel).namelist() if ".dist-info/" not in name]
    assert set(inside) <= set(tree.tracked())


def test_another_package_called_transformers_is_left_alone(installed: Installed) -> None:
    """`import transformers` is still theirs in everybody else's program; in the hub's own process it is the room."""
    code = "import transformers; print(transformers.WHOSE)"
    assert run(installed.python, "-c", code).strip() == "theirs"
    inside = "import mastercopy, transformers, config; print(transformers.__file__); print(config.__file__)"
    for line in run(installed.python, "-c", inside).splitlines():
        assert Path(line).parts[-3] == "mastercopy_house"
    assert (installed.site / "transformers" / "__init__.py").read_text() == 'WHOSE = "theirs"\n'


def test_the_installed_command_answers(installed: Installed) -> None:
    """`mastercopy --help` and `mastercopy version` from the wheel, outside any checkout."""
    command = str(installed.python.with_name("mastercopy"))
    assert "demo" in run(installed.python, command, "--help")
    assert tree.settings()["project"]["version"] in run(installed.python, command, "version")
