"""`rackstrap edit`: change values of a site file as the wizard does, comments and order kept. `rackstrap keyboard`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from installer.model.problems import Problem, RackstrapError
from installer.site.tree import Path as KeyPath


def add_edit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("site", type=Path, metavar="SITE", help="the site file")
    parser.add_argument(
        "values", nargs="*", metavar="KEY=VALUE", help="admin.address=10.0.0.10, nodes.0.roles=[base]; values are YAML"
    )
    parser.add_argument("--remove", action="append", default=[], metavar="KEY", help="take a value out; may be given again")
    parser.add_argument("--ask-password", action="store_true", help="ask for root's password; only its hash is written")
    parser.add_argument("--roles-dir", type=Path, action="append", default=[], metavar="DIR", help="a folder of roles")


def run_edit(args: argparse.Namespace) -> int:
    """Change the file when nothing is wrong with it that was right before; exit code 1, and nothing changed, otherwise."""
    from installer.engine.prepare import find_role_dirs
    from installer.plan.roles import load_roles
    from installer.site.load import load_site
    from installer.site.save import REMOVED, save_text
    from installer.wizard.draft import edit_draft, make_draft

    edits: list[tuple[KeyPath, object]] = [parse_edit(text) for text in args.values]
    edits += [(parse_key(key), REMOVED) for key in args.remove]
    if args.ask_password:
        edits.append((("access", "password_hash"), ask_hash()))
    if not edits:
        raise RackstrapError("nothing is to be changed", "rackstrap edit SITE KEY=VALUE")
    roles, _ = load_roles([*find_role_dirs(), *args.roles_dir])
    draft = make_draft(load_site(args.site).document.text, roles, file=str(args.site))
    fresh, problems = edit_draft(draft, edits, roles)
    for problem in problems:
        print(render_edit_problem(problem), file=sys.stderr)  # noqa: T201
    if problems:
        return 1
    save_text(args.site, fresh.text)
    print(f"{len(edits)} value{'s' if len(edits) > 1 else ''} changed in {args.site}")  # noqa: T201
    return 0


def add_keyboard(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("layout", nargs="?", metavar="LAYOUT", help="us, gb, de …; without it, print the one in force")


def run_keyboard(args: argparse.Namespace) -> int:
    """Give this machine's screen another keyboard, until it starts again: nodes have the site file's."""
    from installer.wizard.keyboard import find_keyboard, find_keyboards, set_keyboard

    if args.layout is None:
        print(find_keyboard() or "not set")  # noqa: T201
    else:
        print(set_keyboard(args.layout, find_keyboards()))  # noqa: T201
    return 0


def render_edit_problem(problem: Problem) -> str:
    """Which key, what is wrong, what to write instead: there is no line to name, the file was not written."""
    key = ".".join(map(str, problem.place.path))
    return f"{key}: {problem.message}" + (f"; {problem.hint}" if problem.hint else "")


def parse_key(text: str) -> KeyPath:
    """`nodes.0.name` as a key path. Raises RackstrapError."""
    parts = text.split(".")
    if not all(parts) or len(text) > 1000:
        raise RackstrapError(f"{text[:80]!r} is no key", "write keys as in networks.admin.vlan or nodes.0.name")
    return tuple(int(part) if part.isdecimal() and len(part) < 9 else part for part in parts)


def parse_edit(text: str) -> tuple[KeyPath, object]:
    """`KEY=VALUE`, the value as YAML. Raises RackstrapError."""
    from installer.site.core_schema import make_plain
    from installer.site.tree import parse_tree

    key, equals, value = text.partition("=")
    if not equals:
        raise RackstrapError(f"{text[:80]!r} gives no value", "write KEY=VALUE")
    document, problems = parse_tree(f"value: {value}\n", "VALUE")
    data = document.data
    if problems or not isinstance(data, dict) or list(data) != ["value"]:
        raise RackstrapError(f"the value of {key[:80]} is not YAML", "write one value: text, 10, [a, b] or {a: b}; quote it")
    return parse_key(key), make_plain(data["value"])


def ask_hash() -> str:
    from installer.power.verbs import ask_password
    from installer.site.password import make_password_hash

    return make_password_hash(ask_password("root's password on every node: "))
