"""Commands for those who build systems, mappings and routes: check, test."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub import output

if TYPE_CHECKING:
    from adapters.catalogue import System
    from hub.findings import Finding
    from hub.samples import Covered, Result

_FINDING = ("rule", "level", "file", "line", "field", "message", "hint")
_PAIR = ("pair", "ok", "difference")

Home = Annotated[Path | None, typer.Option("--home", envvar="MASTERCOPY_HOME", help="An instance's folder; without it the packaged house.")]


def register(app: typer.Typer) -> None:
    """Put the commands of this file on the command line."""
    app.command()(check)
    app.command("test")(replay)


def check(home: Home = None, form: output.Output = output.Form.table) -> None:
    """Lint systems, mappings, routes and rules. Ends with 3 where there are errors, with 1 where there are warnings alone."""
    from hub import check as lint
    from hub import findings

    found = lint.check(home)
    wrong, doubtful = findings.counted(found, "error"), findings.counted(found, "warning")
    plain = [dataclasses.asdict(finding) for finding in found]
    if form is output.Form.json:
        output.document({"findings": plain, "errors": wrong, "warnings": doubtful})
    elif form is output.Form.csv:
        output.rows(plain, _FINDING, form, output.Lang.en)
    else:
        for finding in found:
            _tell_finding(finding)
        output.note(f"{wrong} errors, {doubtful} warnings")
    raise typer.Exit(output.CONFIG if wrong else output.PARTLY if doubtful else output.WELL)


def _tell_finding(finding: Finding) -> None:
    level = typer.style(finding.level, fg=typer.colors.RED if finding.level == "error" else typer.colors.YELLOW)
    typer.echo(f"{output.clean(finding.place)}\n  {level} {finding.rule}: {output.clean(finding.message)}\n  {output.clean(finding.hint)}")


def replay(
    system: Annotated[str | None, typer.Argument(help="One system; all without it.", show_default=False)] = None,
    home: Home = None,
    form: output.Output = output.Form.table,
    coverage: Annotated[bool, typer.Option("--coverage", help="Show for each mapping which rules no sample covers.")] = False,
) -> None:
    """Replay every sample pair of every system. Ends with 7 where something else comes out than the pair says."""
    from hub import samples

    systems = _systems(home, system)
    results = {name: samples.replay(found) for name, found in systems.items()}
    covered = [one for name, found in systems.items() for one in samples.coverage(found, results[name])]
    flat = [result for some in results.values() for result in some]
    plain = [{"pair": result.pair.id, "ok": result.ok, "difference": result.difference} for result in flat]
    failed = [result for result in flat if not result.ok]
    if form is output.Form.json:
        output.document({"pairs": len(flat), "failed": len(failed), "results": plain, "coverage": [_plain(one) for one in covered]})
    elif form is output.Form.csv:
        output.rows(plain, _PAIR, form, output.Lang.en)
    else:
        for result in failed:
            _tell_difference(result)
        _tell_systems(results, covered, rules=coverage)
        output.note(f"{len(flat) - len(failed)} of {len(flat)} pairs hold")
    raise typer.Exit(output.DIFFERENT if failed else output.WELL)


def _systems(home: Path | None, only: str | None) -> dict[str, System]:
    """The systems in use, or the one that was asked for. Raises `NotFound`, or `Stop` for a manifest with mistakes."""
    from adapters import catalogue
    from routes import setup
    from schemas import errors

    if home and not home.is_dir():
        raise errors.NotFound(f"there is no folder {home}", hint="Name a hub's home, or leave --home out to test the packaged systems")
    found = catalogue.Catalogue(setup.systems(home))
    return {only: found.system(only)} if only else found.systems


def _plain(one: Covered) -> dict[str, Any]:
    unused = [{"line": used.rule.line, "rule": used.rule.path} for used in one.unused]
    return {"system": one.system, "mapping": one.file, "rules": len(one.used), "unused": unused}


def _tell_difference(result: Result) -> None:
    typer.echo(f"{result.pair.id} gives something else than {result.pair.wanted}")
    for line in result.difference.splitlines():
        colour = {"-": typer.colors.RED, "+": typer.colors.GREEN}.get(line[:1])
        typer.echo("  " + typer.style(output.clean(line), fg=colour))


def _tell_systems(results: dict[str, list[Result]], covered: list[Covered], *, rules: bool) -> None:
    for name, some in results.items():
        typer.echo(f"{name:<12} {sum(result.ok for result in some)} of {len(some)} pairs hold")
        for one in covered if rules else ():
            if one.system == name:
                typer.echo(f"  {one.file}: {len(one.used) - len(one.unused)} of {len(one.used)} rules are covered ({one.share:.0%})")
                for used in one.unused:
                    typer.echo(f"    line {used.rule.line}: {used.rule.path} is not")
