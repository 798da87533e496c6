"""`rackstrap bmc …`: find BMCs and import their credentials."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from installer.engine.journal import Journal
from installer.model.events import Event, Happened
from installer.model.ledger import BmcEntry
from installer.model.problems import RackstrapError
from installer.power.credentials import Credential, load_credentials, make_imported
from installer.power.scan import parse_ranges, run_scan
from installer.power.secrets import save_secret
from installer.serve.verbs import find_state_dir

DESCRIPTIONS: Final = {
    "scan": "Ask every address of a range whether a BMC is there (UDP port 623); print who answers, remember who speaks IPMI.",
    "add": "Take in one BMC; its password is asked for, and kept in a file that only root reads.",
    "import": "Take in BMCs from a CSV file: every line, or none when one is wrong. Passwords stay in their files.",
}


def add_bmc(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="bmc_verb", metavar="WHAT", required=True)
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument(
        "--state", type=Path, metavar="DIR", default=find_state_dir(), help="where everything is kept (RACKSTRAP_STATE)"
    )
    scan = verbs.add_parser("scan", parents=[where], help="find BMCs by presence pings", description=DESCRIPTIONS["scan"])
    scan.add_argument(
        "range", metavar="RANGE", nargs="+", help="192.168.124.162-192.168.124.240, 192.168.124.0/24 or one address"
    )
    scan.add_argument("--json", action="store_true", help="print each BMC as a line of JSON")
    load = verbs.add_parser(
        "import", parents=[where], help="import credentials from a CSV file", description=DESCRIPTIONS["import"]
    )
    load.add_argument(
        "csv", type=Path, metavar="CSV", help="columns serial,address,user,secret[,uefi]; secret is a password file's path"
    )
    load.add_argument("--ask-password", action="store_true", help="ask for the passwords of lines without a secret")
    add = verbs.add_parser("add", parents=[where], help="take in one BMC", description=DESCRIPTIONS["add"])
    add.add_argument("address", metavar="ADDRESS", help="the BMC's address")
    add.add_argument("--serial", default="", help="serial number of the machine behind it")
    add.add_argument("--user", default="root", help="its user (default: root)")


def run_bmc(args: argparse.Namespace) -> int:
    return {"scan": run_bmc_scan, "import": run_bmc_import, "add": run_bmc_add}[args.bmc_verb](args)


def run_bmc_add(args: argparse.Namespace) -> int:
    """One BMC, its password asked for: it stands on no command line and in no journal."""
    from installer.power.adding import keep_bmc

    password = ask_password(f"password of {args.user} at {args.address}: ")
    with _open_journal(args.state) as journal:
        event = keep_bmc(args.state, journal.ledger.bmcs, args.address, args.serial, args.user, password)
        journal.append(event, durable=True)
    _say(f"the BMC at {event.data['address']} is known; its password is in a file that only root reads")
    return 0


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def _open_journal(state: Path) -> Journal:
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise RackstrapError(
            f"cannot use the state folder {state}: {error.strerror}", "run as root, or say --state DIR"
        ) from error
    return Journal(state / "store.db")


def run_bmc_scan(args: argparse.Namespace) -> int:
    """Print who answers, and remember those that speak IPMI and were not known."""
    found = run_scan(parse_ranges(args.range))
    with _open_journal(args.state) as journal:
        known = journal.ledger.bmcs
        fresh = [one.address for one in found if one.speaks_ipmi and one.address not in known]
        events = [Event(Happened.BMC_FOUND, f"bmc {address}", {"address": address}) for address in fresh]
        if events:
            journal.append(*events, durable=True)
        for one in found:
            has_credentials = bool(known[one.address].secret) if one.address in known else False
            row = {"address": one.address, "ipmi": one.speaks_ipmi, "known": has_credentials}
            words = "credentials known" if has_credentials else "no credentials" if one.speaks_ipmi else "does not speak IPMI"
            _say(json.dumps(row) if args.json else f"{one.address:<40} {words}")
    if not found and not args.json:
        print("nobody answered", file=sys.stderr)  # noqa: T201
    return 0


def run_bmc_import(args: argparse.Namespace) -> int:
    """All lines or none: a file with a problem imports nothing."""
    found, problems = load_credentials(args.csv, needs_secrets=not args.ask_password)
    if problems:
        for problem in problems:
            print(problem, file=sys.stderr)  # noqa: T201
        return 1
    if args.ask_password:
        found = run_ask(found, args.state)
    with _open_journal(args.state) as journal:
        events = find_changes(found, journal)
        if events:
            journal.append(*events, durable=True)
    _say(f"{len(found)} BMCs, {len(events)} new or changed")
    return 0


def find_changes(found: Sequence[Credential], journal: Journal) -> list[Event]:
    """Events for the credentials that the ledger does not have just so already."""
    known = journal.ledger.bmcs
    events = []
    for one in found:
        entry = known.get(one.address, BmcEntry(""))
        if (entry.address, entry.serial, entry.user, entry.secret, entry.uefi) != (
            one.address,
            one.serial,
            one.user,
            one.secret,
            one.uefi,
        ):
            events.append(make_imported(one))
    return events


def ask_password(prompt: str) -> str:
    """A password from the terminal, never echoed. Raises RackstrapError without a terminal, or when it is not given."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(prompt)
    except getpass.GetPassWarning:
        raise RackstrapError("passwords are asked for on a terminal only", "name their files in the column secret") from None
    except EOFError:
        raise RackstrapError("no password given; nothing has been imported", exit_code=1) from None


def run_ask(found: Sequence[Credential], state: Path) -> tuple[Credential, ...]:
    """Ask for every password that no file holds, and keep it in a root-only one. Enter takes the one given before."""
    answered: list[Credential] = []
    last = ""
    for one in found:
        if one.secret or one.address.startswith("manual:"):
            answered.append(one)
            continue
        typed = ask_password(f"password of {one.user} at {one.address}{' (Enter: the same again)' if last else ''}: ")
        last = typed or last
        if not last:
            raise RackstrapError(f"no password given for the BMC at {one.address}", exit_code=1)
        path = (state / "secrets" / f"bmc-{one.address.replace(':', '_')}").absolute()
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        save_secret(path, last)
        answered.append(replace(one, secret=str(path)))
    return tuple(answered)
