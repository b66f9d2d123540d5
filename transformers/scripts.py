"""Python functions of a system's folder, loaded from bytes: the escape hatch of mappings."""

from __future__ import annotations

import linecache
import types
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from schemas import errors

Script = Callable[[Any, Any], Any]


def load(files: Mapping[str, bytes], name: str, *, system: str, loaded: dict[str, Mapping[str, Any]], place: errors.Place) -> Script:
    """The function that `module:function` names, from `module.py`.

    `loaded` keeps the modules of one mapping, so that each runs once. Raises `BadMapping` at `place`, or at the line of
    the Python file that fails.
    """
    module, colon, function = name.partition(":")
    if not (colon and module and function):
        raise errors.BadMapping("a Python function is named module:function", place=place, value=name)
    file = file_of(name)
    if file not in files:
        known = sorted(each.removesuffix(".py") for each in files if each.endswith(".py"))
        raise errors.BadMapping(f"there is no {file} in the system's folder", place=place, value=name, hint=_nearest(module, known))
    if file not in loaded:
        loaded[file] = _run(files[file], file, system)
    found = loaded[file].get(function)
    if not callable(found):
        known = sorted(each for each, value in loaded[file].items() if isinstance(value, types.FunctionType))
        raise errors.BadMapping(f"{file} has no function {function!r}", place=place, value=name, hint=_nearest(function, known))
    script: Script = found
    return script


def file_of(name: str) -> str:
    """The file of `module:function`."""
    return f"{name.partition(':')[0]}.py"


def _run(source: bytes, file: str, system: str) -> Mapping[str, Any]:
    shown = f"<{system}/{file}>"
    module = types.ModuleType(f"mastercopy_system_{system}_{file.removesuffix('.py')}")
    module.__file__ = shown
    try:
        code = compile(source, shown, "exec")
        text = source.decode("utf-8", "replace")
        linecache.cache[shown] = (len(text), None, text.splitlines(keepends=True), shown)
        exec(code, module.__dict__)  # noqa: S102 the folder is the operator's own code, like the hub's
    except SyntaxError as error:
        raise errors.BadMapping(f"this is not Python: {error.msg}", place=errors.Place(file, error.lineno or 1)) from error
    except Exception as error:
        raise errors.BadMapping(
            f"the file fails when it is loaded: {type(error).__name__}: {error}", place=errors.Place(file, _line(error, shown))
        ) from error
    return module.__dict__


def _line(error: BaseException, shown: str) -> int:
    line, trace = 1, error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == shown:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _nearest(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, 1, 0.5)
    return f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}" if known else ""
