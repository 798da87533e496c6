"""`rackstrap plan` and `rackstrap roles`. They read files, the store and the image's manifest, and write only `--into`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from installer.model.plan import AdminPlace, Image
from installer.model.problems import Problem, RackstrapError

if TYPE_CHECKING:
    from installer.model.facts import Machine
    from installer.model.ledger import Ledger
    from installer.model.site import Site
    from installer.plan.roles import Role

# What is assumed where no image is built: about what Debian 13 with kernel, SSH and our tools amounts to.
ASSUMED_IMAGE: Final = Image("assumed", "assumed", {"root.squashfs": "", "rackstrap.squashfs": ""}, {}, 700 * 10**6)


def add_plan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("site", metavar="SITE", help="the site file")
    parser.add_argument(
        "--machine", metavar="RECORDING", nargs="+", action="extend", default=[], help="plan for these recorded machines"
    )
    parser.add_argument("--state", metavar="DIR", help="plan on from what is given and done here (default: where apply keeps it)")
    parser.add_argument("--image", metavar="DIR", help="the built image")
    parser.add_argument("--json", action="store_true", help="print the plan as one JSON object")
    parser.add_argument("--into", metavar="DIR", help="write every file that would be rendered into this folder")
    parser.add_argument("--roles-dir", metavar="DIR", action="append", default=[], help="more folders of roles (RACKSTRAP_ROLES)")


def add_roles(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the roles as one JSON object")
    parser.add_argument("--roles-dir", metavar="DIR", action="append", default=[], help="more folders of roles (RACKSTRAP_ROLES)")


def run_plan(args: argparse.Namespace) -> int:
    """Print the plan. Exit code 1 when the site file or a role has an error, or the plan, which is printed all the same."""
    from installer.engine.graph import make_graph
    from installer.plan.boot_files import make_boot_files
    from installer.plan.dump import dump_plan
    from installer.plan.into import save_files
    from installer.plan.plan import make_plan
    from installer.plan.text import render_plan_text
    from installer.site.check import check_site
    from installer.site.load import load_site

    loaded = load_site(args.site)
    roles, wrong = _load_roles(args.roles_dir)
    if _report((*check_site(loaded, None, roles), *wrong)) or loaded.site is None:
        return 1
    ledger, machines = _load_known(args)
    place = _find_place(loaded.site, args)
    plan = make_plan(loaded.site, machines, ledger, roles, place)
    problems = tuple(replace(p, place=loaded.document.place(p.place.path)) if p.place.path else p for p in plan.problems)
    plan = replace(plan, problems=problems)
    if args.into:
        files = {**plan.files, **make_boot_files(plan, loaded.site, machines, place)}
        _say(f"{save_files(files, Path(args.into))} files written to {args.into}")
    done = make_graph(plan.steps, ledger).done
    sys.stdout.write(dump_plan(plan) if args.json else render_plan_text(plan, done))
    return 1 if any(problem.severity == "error" for problem in problems) else 0


def run_roles(args: argparse.Namespace) -> int:
    """List every role; exit code 1 when one of them is broken."""
    from installer.plan.dump import dump_roles
    from installer.plan.text import render_roles_text

    roles, problems = _load_roles(args.roles_dir)
    rows = ((role.name, role.title, _describe_role(role)) for _, role in sorted(roles.items()))
    sys.stdout.write(dump_roles(dict(roles)) if args.json else render_roles_text(rows))
    return 1 if _report(problems) else 0


def _describe_role(role: Role) -> str:
    most = 1 if role.unique else role.count.max
    words = [f"needs {', '.join(role.needs)}"] if role.needs else []
    words += ["on every node"] if role.everywhere else []
    words += [f"at least {role.count.min}"] if role.count.min else []
    words += [f"at most {most}"] if most else []
    words += ["an odd number"] if role.count.odd else []
    return ", ".join(words)


def _load_roles(folders: list[str]) -> tuple[Mapping[str, Role], tuple[Problem, ...]]:
    from installer.engine.prepare import find_role_dirs
    from installer.plan.roles import load_roles

    return load_roles([*find_role_dirs(), *map(Path, folders)])


def _report(problems: tuple[Problem, ...]) -> bool:
    """Print problems to standard error; whether one of them is an error."""
    for problem in problems:
        _say(f"{'warning: ' if problem.severity == 'warning' else ''}{problem}")
    return any(problem.severity == "error" for problem in problems)


def _say(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 -- standard output is the plan's alone


def _state(args: argparse.Namespace) -> Path:
    from installer.serve.verbs import find_state_dir

    return Path(args.state or find_state_dir())


def _load_known(args: argparse.Namespace) -> tuple[Ledger, Mapping[str, Machine]]:
    """The ledger and the machines of the state folder, if there is one; recordings that are given stand in for its machines."""
    from installer.engine.journal import Journal
    from installer.model.ledger import Ledger
    from installer.site.verbs import load_machines

    store = _state(args) / "store.db"
    recorded = load_machines(args.machine)
    if not _is_there(store):
        if args.state:
            raise RackstrapError(
                f"{args.state} holds no store.db", "name the folder that `rackstrap apply` keeps, or leave it out"
            )
        return Ledger(), recorded
    with Journal(store) as journal:
        return journal.ledger, recorded or journal.machines()


def _is_there(path: Path) -> bool:
    """A state folder that may not be read is as good as none: plan then says what a first run would do."""
    try:
        return path.is_file() and os.access(path, os.R_OK)
    except OSError:
        return False


def _find_place(site: Site, args: argparse.Namespace) -> AdminPlace:
    """The place of an apply on this machine. What is not there yet is assumed, and said."""
    from installer.engine.prepare import find_pin
    from installer.serve.interface import find_interface
    from installer.serve.place import load_image
    from installer.serve.verbs import find_image_dir

    image_dir = Path(args.image or find_image_dir())
    image = ASSUMED_IMAGE
    if args.image or (image_dir / "manifest.json").is_file():
        image = load_image(image_dir)
    else:
        _say(f"no image in {image_dir}: its size is assumed to be {image.root_bytes // 10**6} MB")
    try:
        interface = find_interface(site.admin.address)
    except RackstrapError:
        interface = "eth0"
        _say(f"no interface here has {site.admin.address}: the admin node's is assumed to be {interface}")
    state = _state(args).absolute()
    return AdminPlace(str(state), str(image_dir.absolute()), interface, find_pin(state), image)
