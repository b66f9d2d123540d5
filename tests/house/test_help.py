"""The command line answers at once."""

import subprocess
import sys
import time

from tests.house import tree

HEAVY = {"fastapi", "starlette", "uvicorn", "lxml", "kombu", "paramiko", "asyncssh", "sqlalchemy", "alembic", "jsonschema", "cryptography"}


def test_help_loads_no_heavy_library() -> None:
    """`--help` is quick because it loads little. The time depends on the machine and is printed; what is loaded does not, and is judged."""
    code = (
        "import sys, contextlib, mastercopy\n"
        "sys.argv = ['mastercopy', '--help']\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(sys.stderr): mastercopy.main()\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))\n"
    )
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], cwd=tree.ROOT, capture_output=True, text=True, check=True, timeout=60)
    print(f"mastercopy --help: {(time.perf_counter() - start) * 1000:.0f} ms (aim: 300)")
    assert "Usage" in done.stderr
    assert HEAVY & set(done.stdout.split()) == set()
