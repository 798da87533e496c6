"""`rackstrap node …`: look at nodes and act on them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from installer.engine.journal import Journal
from installer.engine.node_changes import (
    SIMPLE,
    Change,
    find_node,
    make_admission,
    make_allocation,
    make_grouping,
    make_reinstallation,
    make_rename,
    make_roles_choice,
    make_title,
    refuse,
)
from installer.engine.prepare import find_role_dirs, make_dry_place
from installer.engine.requests import ask
from installer.engine.store import make_who
from installer.model.events import Event, Happened
from installer.model.folds import make_ledger
from installer.model.plan import NodePlan
from installer.model.problems import RackstrapError
from installer.model.site import Site
from installer.plan.roles import load_roles
from installer.serve.verbs import find_image_dir, find_state_dir

LOOKING: Final = frozenset({"list", "show"})
WISHES: Final = frozenset({"power", "identify"})
VERBS: Final = {
    "list": "list nodes and machines",
    "show": "everything about one",
    "admit": "let a machine take part, or believe a claim by its code",
    "allocate": "allow its chosen disks to be erased, once",
    "rename": "give a node another name",
    "group": "put a node into a group",
    "roles": "choose a node's roles",
    "identify": "light its lamp",
    "power": "switch it",
    "reset": "back to discovered; disks untouched",
    "reinstall": "erase and install it anew",
    "delete": "forget it; disks untouched",
    "retry": "clear its problem and try again",
    "leave-out": "go on without it",
}

MORE: Final = {
    "admit": "Compare the code with the one on the machine's own console first.",
    "allocate": "Without --erase it only says which disks would be erased. A disk that Rackstrap installed needs `reinstall`.",
    "rename": "Names that the site file keeps for others are taken.",
    "identify": "The lamp on its front, by its BMC.",
    "power": "By its BMC, through the running `rackstrap serve`.",
    "reset": "Its disks may not be erased until it is allocated again.",
    "reinstall": "This is the consent to erase what Rackstrap installed on its disks. `rackstrap apply` then does it.",
    "delete": "Its name and addresses become free. A machine that the site file names comes back at its next boot.",
    "leave-out": "The others do not wait for it; `retry` brings it back.",
}


def add_node(parser: argparse.ArgumentParser) -> None:
    common = argparse.ArgumentParser(add_help=False)
    where = "where everything is kept (RACKSTRAP_STATE)"
    common.add_argument("--state", type=Path, metavar="DIR", default=find_state_dir(), help=where)
    common.add_argument("--json", action="store_true", help="print JSON: an object a line")
    verbs = parser.add_subparsers(dest="node_verb", metavar="WHAT", required=True)
    subs = {verb: verbs.add_parser(verb, parents=[common], help=text, description=describe(verb)) for verb, text in VERBS.items()}
    for verb, sub in subs.items():
        if verb != "list":
            sub.add_argument("name", metavar="NAME", help="a node's name, a machine's id or its short code")
    allocate = subs["allocate"]
    allocate.add_argument("--erase", action="store_true", help="the word that gives consent")
    for sub in (allocate, subs["reinstall"]):
        sub.add_argument("--image", type=Path, default=find_image_dir(), help="the built image (RACKSTRAP_IMAGE)")
    for verb in ("allocate", "reinstall", "reset", "delete"):
        subs[verb].add_argument("--yes", action="store_true", help="do not ask on the terminal")
    subs["rename"].add_argument("to", metavar="NEW", help="its name from now on")
    subs["group"].add_argument("group", metavar="GROUP", help="lower-case letters, digits and hyphens")
    subs["roles"].add_argument("roles", metavar="ROLE", nargs="+", help="as `rackstrap roles` lists them")
    subs["identify"].add_argument("--seconds", type=parse_seconds, default=15, help="0 puts it out; at most 255 (default: 15)")
    subs["power"].add_argument("power", choices=("on", "off", "cycle"), help="cycle: off, then on; on where it was off")
    subs["power"].add_argument("--boot", choices=("pxe", "disk"), default="", help="where it boots from next")


def describe(verb: str) -> str:
    """The text of `rackstrap node VERB --help`."""
    return f"{VERBS[verb][0].upper()}{VERBS[verb][1:]}. {MORE.get(verb, '')}".strip()


def parse_seconds(text: str) -> int:
    """How long a lamp is lit: 0 to 255, which is what IPMI has room for. Raises ArgumentTypeError."""
    if not text.isascii() or not text.isdigit() or int(text) > 255:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 255")
    return int(text)


def run_node(args: argparse.Namespace) -> int:
    if not (args.state / "store.db").exists():
        raise RackstrapError(f"no site has been applied in {args.state}", "rackstrap apply SITE, or name its --state")
    with Journal(args.state / "store.db", make_who(f"node-{args.node_verb}")) as journal:
        if args.node_verb in LOOKING:
            return run_look(journal, args)
        if args.node_verb in WISHES:
            return run_wish(journal, args)
        return run_change(journal, args)


def run_look(journal: Journal, args: argparse.Namespace) -> int:
    from installer.engine.node_show import render_list, render_node, show_node

    if args.node_verb == "list":
        print(render_list(journal, is_json=args.json), end="")  # noqa: T201
        return 0
    shown = show_node(journal, find_node(journal.ledger, args.name))
    _say(json.dumps(shown, indent=2) if args.json else "\n".join(render_node(shown)))
    return 0


def run_wish(journal: Journal, args: argparse.Namespace) -> int:
    """Power and identify: carried out by the running service, which answers."""
    host = args.name if args.name.startswith("bmc ") else find_node(journal.ledger, args.name).id
    wish: dict[str, Any] = {"verb": args.node_verb}
    wish |= {"seconds": args.seconds} if args.node_verb == "identify" else {"power": args.power, "boot": args.boot}
    is_ok, message = ask(journal, args.state, host, wish)
    _tell(args, is_ok, f"{args.name}: {message}")
    return 0 if is_ok else 4


def run_change(journal: Journal, args: argparse.Namespace) -> int:
    is_admission = args.node_verb == "admit"
    change = make_admission(journal.ledger, args.name) if is_admission else find_change(journal, args)
    for line in change.loses:
        _say(json.dumps({"erases": line}) if args.json else f"erases {line}")
    if args.node_verb == "allocate" and not args.erase:
        _tell(args, False, f"nothing has changed; to allow it: rackstrap node allocate {args.name} --erase")
        return 3
    confirm(change, args)
    if change.events:
        journal.append(*change.events, durable=True)
        check_admitted(journal, change)
    _tell(args, True, change.says)
    return 0


def check_admitted(journal: Journal, change: Change) -> None:
    """Raises RackstrapError when an admission came too late: another machine enrolled in the meantime under this name."""
    journal.refresh()
    for event in change.events:
        entry = journal.ledger.machines.get(event.host)
        if event.kind is Happened.MACHINE_ADMITTED and (entry is None or not entry.admitted):
            raise refuse(
                "another machine has just enrolled in its place", "admit the code that the right one's console shows now"
            )


def find_change(journal: Journal, args: argparse.Namespace) -> Change:
    """What the arguments mean, against the ledger. Raises RackstrapError for what makes no sense."""
    entry = find_node(journal.ledger, args.name)
    match args.node_verb:
        case "allocate":
            site, planned = plan_node(journal, args, make_title(entry))
            return make_allocation(entry, journal.machines().get(entry.id), planned, site.name, journal.store.who)
        case "rename":
            return make_rename(journal.ledger, entry, args.to, find_reserved(args.state))
        case "group":
            return make_grouping(entry, args.group)
        case "roles":
            return make_roles_choice(entry, args.roles, load_roles(find_role_dirs())[0].keys())
        case "reinstall":
            asked = make_reinstallation(entry, None).events
            return make_reinstallation(entry, plan_node(journal, args, entry.name, asked)[1])
    return SIMPLE[args.node_verb](entry)


def plan_node(journal: Journal, args: argparse.Namespace, name: str, ahead: tuple[Event, ...] = ()) -> tuple[Site, NodePlan]:
    """The applied site, and this node as it is planned now, or would be once `ahead` has happened."""
    from installer.plan.plan import make_plan

    site = load_applied(args.state)
    place = make_dry_place(args.state.absolute(), args.image.absolute(), "")
    ledger = make_ledger((*journal.store.read(), *ahead)) if ahead else journal.ledger
    plan = make_plan(site, journal.machines(), ledger, load_roles(find_role_dirs())[0], place)
    planned = plan.node(name)
    if planned is None:
        raise RackstrapError(
            f"{name} is no node of the site {site.name}", "name it in the site file, and apply that", exit_code=1
        )
    return site, planned


def load_applied(state: Path) -> Site:
    from installer.site.load import load_site

    site = load_site(state / "site.yaml").site
    if site is None:
        raise RackstrapError(f"{state}/site.yaml cannot be read", "rackstrap apply SITE", exit_code=1)
    return site


def find_reserved(state: Path) -> set[str]:
    """Names that the site keeps for others."""
    site = load_applied(state)
    return {site.admin.hostname, *(rule.name for rule in site.nodes if rule.name)}


def confirm(change: Change, args: argparse.Namespace) -> None:
    """On a terminal, have the word typed. Without one, having been called is the word."""
    if not change.asks or args.yes or not sys.stdin.isatty():
        return
    try:
        typed = input(f"{change.says}.\nType {change.asks} to go on: ")
    except EOFError:
        typed = ""
    if typed.strip() != change.asks:
        raise RackstrapError("not confirmed; nothing has changed", exit_code=3)


def _tell(args: argparse.Namespace, is_ok: bool, message: str) -> None:
    _say(json.dumps({"ok": is_ok, "message": message}) if args.json else message)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201
