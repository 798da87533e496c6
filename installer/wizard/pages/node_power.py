"""Lamps, power and BMCs: what the running service carries out, and what it needs to know for it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from installer.model.problems import Problem, RackstrapError
from installer.plan.match import find_bmcs
from installer.power.scan import parse_ranges
from installer.site.addresses import UnreadableError, parse_address, parse_range
from installer.wizard.nodes_file import Member, find_members
from installer.wizard.page import Edited, Field, Outcome, Refused, Selection, Told, Wished
from installer.wizard.pages.asking import ask_one, ask_text, ask_yes, join_titles, make_problem
from installer.wizard.pages.node_actions import guarded, pick_machines
from installer.wizard.view import View
from installer.wizard.wishes import AddBmc, Discover, ImportBmcs, Request

BMC_KEY: Final = "bmc "  # rows of BMCs that no machine is known behind: what the ledger calls their host
POWERS: Final = (
    ("on", "switch it on"),
    ("on-pxe", "switch it on, and boot by PXE"),
    ("cycle-pxe", "off and on again, and boot by PXE: discovers it"),
    ("cycle", "off and on again"),
    ("cycle-disk", "off and on again, and boot from its disk"),
    ("off", "switch it off, without shutting it down"),
)


def find_hosts(view: View, selection: Selection) -> tuple[tuple[str, str, bool], ...]:
    """(host, title, whether a system is installed on it) of the chosen machines and BMCs. Raises RackstrapError for none."""
    bare = tuple((key, f"the BMC {key.removeprefix(BMC_KEY)}", False) for key in selection.rows if key.startswith(BMC_KEY))
    rows = tuple(key for key in selection.rows if not key.startswith(BMC_KEY))
    if bare and not rows:
        return bare
    picked = pick_machines(view, Selection(marked=rows))
    return (*((m.key, m.title, m.entry.installed is not None) for m in picked), *bare)


@guarded
def light(view: View, selection: Selection) -> Outcome:
    """Light the lamps on their fronts."""
    hosts = find_hosts(view, selection)
    titles = join_titles([title for _, title, _ in hosts])
    return Wished(
        tuple(Request(host, {"verb": "identify", "seconds": 60}) for host, _, _ in hosts), f"{titles}: lamp lit for 60 s"
    )


@guarded
def power(view: View, selection: Selection) -> Outcome:
    """Ask what to do with their power; what stops a running system is asked once more."""
    hosts = find_hosts(view, selection)
    says = (f"For {join_titles([title for _, title, _ in hosts])}.",)
    return ask_one("power", "Power", POWERS, lambda _, text: _follow_power(hosts, text), says)


def _follow_power(hosts: Sequence[tuple[str, str, bool]], chosen: str) -> Outcome:
    verb, _, boot = chosen.partition("-")
    titles = join_titles([title for _, title, _ in hosts])
    wishes = tuple(Request(host, {"verb": "power", "power": verb, "boot": boot}) for host, _, _ in hosts)
    wished = Wished(wishes, f"{titles}: power {verb}{f', boot by {boot}' if boot else ''}")
    running = [title for _, title, is_installed in hosts if is_installed]
    if verb == "on" or not running:
        return wished
    label = "Switch off and on" if verb == "cycle" else "Switch off"
    says = (f"{join_titles(running)}: installed. What runs there stops at once, without shutting down.",)
    return ask_yes(label, says, "do it all the same", lambda _: wished)


@guarded
def scan(view: View, _: Selection) -> Outcome:
    """Ask for ranges of BMCs, keep them in the site file, and scan them."""
    site = view.draft.site
    ranges = (
        [f"{first}-{last}" if first != last else str(first) for first, last in site.discovery.bmc] if site is not None else []
    )
    field = Field(
        "ranges", "Ranges", "list", "192.168.124.162-192.168.124.240, 192.168.124.0/24 or one address; commas between them",
        check=check_ranges, start=", ".join(ranges),
    )  # fmt: skip
    return ask_text(field, _follow_scan, ("Every address is asked whether a BMC is there. Nothing on it changes.",))


def split_list(text: str) -> list[str]:
    return text.replace(",", " ").split()


def check_ranges(text: str) -> Problem | None:
    try:
        wanted = split_list(text)
        parse_ranges(wanted)
    except RackstrapError as error:
        return make_problem(error.message, error.hint)
    return None if wanted else make_problem("there is no address in that", "write 192.168.124.162-192.168.124.240")


def _follow_scan(_: View, text: str) -> Outcome:
    ranges = [spell_ends(word) for word in split_list(text)]
    request = Request("admin", {"verb": "scan", "ranges": ranges})
    return Edited(((("discovery", "bmc"), list(ranges)),), f"scanning {', '.join(ranges)[:60]}", wishes=(request,))


def spell_ends(text: str) -> str:
    """First and last address of what parse_ranges lets pass: how the site file writes a range."""
    if "/" in text:
        addresses = parse_ranges([text])
        first, last = addresses[0], addresses[-1]
    else:
        first, last = parse_range(text, None)
    return f"{first}-{last}" if first != last else str(first)


@guarded
def import_list(_view: View, _: Selection) -> Outcome:
    """Take in a CSV file of BMCs."""
    says = ("A CSV file with the columns serial, address, user, secret.", "secret is the path of a file that holds the password.")
    field = Field("csv", "File", help="its path, as /root/bmcs.csv", check=_check_path)
    return ask_text(field, lambda _, text: Wished((ImportBmcs(text.strip()),)), says)


def _check_path(text: str) -> Problem | None:
    if text.strip() and text.isprintable() and len(text) < 4096:
        return None
    return make_problem("this is no path", "write one, as /root/bmcs.csv")


@guarded
def add_login(view: View, selection: Selection) -> Outcome:
    """Address, user and password of a BMC: of one machine, or user and password for several whose addresses are known."""
    bare = [key.removeprefix(BMC_KEY) for key in selection.rows if key.startswith(BMC_KEY)]
    rows = tuple(key for key in selection.rows if not key.startswith(BMC_KEY))
    picked = pick_machines(view, Selection(marked=rows)) if rows or not bare else ()
    if len(picked) == 1 and not bare:
        return _ask_address(picked[0])
    missing = [member.title for member in picked if not member.bmc]
    if missing:
        return Refused(f"the BMC address of {join_titles(missing)} is not known", "give it for one machine at a time")
    targets = (*((m.bmc, _find_serial(view, m)) for m in picked), *((address, "") for address in bare))
    return _ask_user(targets, f"For {len(targets)} BMCs: the same user and password for all of them.")


def _find_serial(view: View, member: Member) -> str:
    """The serial number that ties a BMC to its machine; "" where twins share it and the address has to do."""
    serial = member.machine.serial if member.machine is not None else ""
    return "" if serial in find_members(view).shared else serial


def _ask_address(member: Member) -> Outcome:
    def follow(view: View, text: str) -> Outcome:
        return _ask_user(((text.strip(), _find_serial(view, member)),), f"For the BMC of {member.title} at {text.strip()}.")

    says = (f"The BMC of {member.title}.", "Its password is kept in a file that only root reads, and nowhere else.")
    return ask_text(Field("address", "Address", check=check_address, start=member.bmc), follow, says)


def check_address(text: str) -> Problem | None:
    try:
        parse_address(text.strip())
    except UnreadableError as error:
        return make_problem(error.message, error.hint)
    return None


def _ask_user(targets: tuple[tuple[str, str], ...], says: str) -> Outcome:
    def check(text: str) -> Problem | None:
        is_fine = 0 < len(text.strip()) <= 64 and text.isprintable()
        return None if is_fine else make_problem("this is no user name", "write the BMC's user, often root or ADMIN")

    return ask_text(Field("user", "User", check=check, start="root"), partial(_ask_password, targets=targets, says=says), (says,))


def _ask_password(_: View, user: str, targets: tuple[tuple[str, str], ...], says: str) -> Outcome:
    def check(text: str) -> Problem | None:
        return None if text else make_problem("no password was given", "type it, or leave with Esc")

    def follow(_: View, password: str) -> Outcome:
        wishes = tuple(AddBmc(address, serial, user.strip(), password) for address, serial in targets)
        return Wished(wishes, f"{len(wishes)} BMC{'s' if len(wishes) > 1 else ''} can be reached as {user.strip()}")

    return ask_text(Field("password", "Password", "secret", check=check), follow, (says,))


@guarded
def discover(view: View, _: Selection) -> Outcome:
    """Serve the draft and wait for machines, unless that is being done."""
    if view.running is not None:
        what = "discovery runs" if view.running.mode == "discover" else "the site is being applied"
        return Told(f"{what} already: machines that boot by PXE appear here")
    wished = Wished((Discover(),), "discovery starts: power machines on to boot by PXE")
    says = []
    if view.status.services:
        says.append(f"{', '.join(view.status.services)}: started earlier, and not known to have stopped.")
    if cycled := find_cycled(view):
        says.append("Machines behind these BMCs are switched off and on, to boot by PXE; what runs on them stops:")
        says += [f"  {address}" for address in cycled]
    return ask_yes("Discover", says, "start discovering", lambda _: wished) if says else wished


def find_cycled(view: View) -> tuple[str, ...]:
    """The BMCs that discovery would use: their password is known, and the machine behind them has not reported."""
    found = set(find_bmcs(view.machines, view.ledger).values())
    return tuple(sorted(address for address, bmc in view.ledger.bmcs.items() if bmc.secret and address not in found))
