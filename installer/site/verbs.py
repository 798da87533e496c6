"""`rackstrap check` and `rackstrap schema`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from installer.model.facts import Machine
from installer.model.problems import Problem, RackstrapError
from installer.site.load import LoadedSite, load_site


def add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the site file")
    parser.add_argument(
        "--machine",
        metavar="RECORDING",
        nargs="+",
        action="extend",
        default=[],
        help="check against these machines too: the recordings of all that the site will have",
    )
    parser.add_argument("--json", action="store_true", help="print each problem as a line of JSON")


def run_check(args: argparse.Namespace) -> int:
    """Print every problem; exit code 1 when one of them is an error, 0 when there is none or only warnings."""
    from installer.engine.prepare import find_role_dirs
    from installer.plan.roles import load_roles
    from installer.site.check import check_site, has_errors

    loaded = load_site(args.file)
    machines = load_machines(args.machine)
    roles, broken = load_roles(find_role_dirs())
    problems = (*check_site(loaded, machines or None, roles, are_all=True), *broken, *check_credentials(loaded))
    for problem in problems:
        print(json.dumps(make_row(problem)) if args.json else render_problem(problem))  # noqa: T201
    if loaded.site is not None and not problems and not args.json:
        print(f"{args.file}: no problems found")  # noqa: T201
    return 1 if has_errors(problems) else 0


def render_problem(problem: Problem) -> str:
    """`file:line:column: what is wrong; what to write instead`, on one line."""
    text = f"{problem.place}: {'warning: ' if problem.severity == 'warning' else ''}{problem.message}"
    return f"{text}; {problem.hint}" if problem.hint else text


def make_row(problem: Problem) -> dict[str, Any]:
    place = problem.place
    return {
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "path": list(place.path),
        "severity": problem.severity,
        "message": problem.message,
        "hint": problem.hint,
    }


def check_credentials(loaded: LoadedSite) -> list[Problem]:
    """What is wrong with the CSV of BMCs that the site names, and with its password files; a warning where it is not here."""
    from installer.power.credentials import load_credentials

    if loaded.site is None or not loaded.site.discovery.credentials:
        return []
    name = loaded.site.discovery.credentials
    place = loaded.document.place(("discovery", "credentials"))
    try:
        return load_credentials(Path(loaded.document.file).absolute().parent / name)[1]
    except RackstrapError as error:
        hint = "have it there before you apply this file: serial,address,user,secret"
        return [Problem(place, error.message, hint, "warning")]


def load_machines(files: Sequence[str]) -> dict[str, Machine]:
    """Machines by id, from recordings. Raises RackstrapError for a file that is none, or one machine given twice."""
    from installer.probe.identity import make_machine_id
    from installer.probe.parse import parse_recording
    from installer.probe.verbs import load_recording

    machines: dict[str, Machine] = {}
    for file in files:
        try:
            machine = parse_recording(load_recording(Path(file)))
        except ValueError as error:
            raise RackstrapError(
                f"{file} cannot be understood: {error}", "make it again with `rackstrap probe --record`"
            ) from error
        key = make_machine_id(machine)
        if key in machines:
            raise RackstrapError(f"{file} is a machine that was given already", "give each machine's recording once")
        machines[key] = machine
    return machines


def add_schema(parser: argparse.ArgumentParser) -> None:
    del parser


def run_schema(args: argparse.Namespace) -> int:
    """Print the JSON Schema of site files."""
    from installer.site.schema import make_schema

    del args
    json.dump(make_schema(), sys.stdout, indent=2)
    print()  # noqa: T201
    return 0
