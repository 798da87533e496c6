"""What comes before the first step: read and check the input, look at the segment, keep the site, start serving."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from installer.engine.journal import Journal
from installer.engine.outlets import Outlet
from installer.model.events import Event, Happened
from installer.model.facts import Machine
from installer.model.plan import AdminPlace
from installer.model.problems import Problem, RackstrapError
from installer.model.site import Site
from installer.plan.roles import Role, load_roles
from installer.site.tree import Document

APPLIED: Final = "applied/site.yaml"
UNKNOWN_PIN: Final = "0" * 64
LOOK_FOR_S: Final = 2.8
# The checks without which nothing is started, and what a failure of each is called.
STOPS: Final = {"link": "no link", "dhcp": "another DHCP server", "address": "duplicate address"}


@dataclass(frozen=True, slots=True)
class Input:
    """What an operator hands over, read and checked. `site` is None when one of the problems is an error."""

    site: Site | None
    document: Document
    roles: Mapping[str, Role]
    bmcs: tuple[Event, ...]
    problems: tuple[Problem, ...]


def load_input(path: Path, beside: Path | None = None) -> Input:
    """The site file with the CSV that it names. Touches nothing. Raises RackstrapError when one cannot be opened.

    Relative paths in the file begin in the folder `beside`, where that is given, else in the file's own.
    """
    from installer.power.credentials import load_credentials, make_imported
    from installer.site.check import check_site, has_errors
    from installer.site.load import load_site

    loaded = load_site(path)
    roles, broken = load_roles(find_role_dirs())
    problems = [*check_site(loaded, None, roles), *broken]
    bmcs: tuple[Event, ...] = ()
    if loaded.site is not None and loaded.site.discovery.credentials:
        found, wrong = load_credentials((beside or path.absolute().parent) / loaded.site.discovery.credentials)
        problems += wrong
        bmcs = tuple(make_imported(credential) for credential in found)
    site = None if has_errors(problems) else loaded.site
    return Input(site, loaded.document, roles, bmcs, tuple(problems))


def find_role_dirs() -> tuple[Path, ...]:
    """The operator's own folders of roles, from RACKSTRAP_ROLES: separated by colons, a later one wins."""
    return tuple(Path(folder) for folder in os.environ.get("RACKSTRAP_ROLES", "").split(":") if folder)


def run_preparations(
    found: Input, site: Site, journal: Journal, args: argparse.Namespace, outlet: Outlet
) -> tuple[AdminPlace, Callable[[], object]]:
    """Refuse what cannot be served, then keep the site and serve. Returns the place, and what to call to keep it served.

    Raises RackstrapError before anything is started when ports are taken, and for what `look_around` refuses.
    """
    from installer.preflight.segment import check_ports
    from installer.serve.interface import find_interface
    from installer.serve.place import make_place
    from installer.serve.verbs import find_serving, start_serving, stop_serving
    from installer.site.save import save_text

    state, image = args.state.absolute(), args.image.absolute()
    interface = args.interface or find_interface(site.admin.address)
    place = make_place(state, image, interface)
    if find_serving(state) and is_newer(image / "manifest.json", state / "run/serve.ready"):
        outlet.tell("the image has changed: serving starts anew")
        stop_serving(state)
    if not find_serving(state):
        check_ports(site.admin.address)
        look_around(site, interface, outlet)
    save_text(state / "site.yaml", found.document.text)
    if not args.discover:
        save_applied(state, found.document.text, args.beside or args.site.absolute().parent)
    applied = Event(
        Happened.SITE_APPLIED, "admin", {"sha256": sha256(found.document.text.encode()).hexdigest(), "name": site.name}
    )
    journal.append(applied, *find_new_bmcs(found.bmcs, journal), durable=True)
    journal.refresh()
    start_serving(state, image, interface)
    return place, lambda: start_serving(state, image, interface)


def look_around(site: Site, interface: str, outlet: Outlet, look_for_s: float = LOOK_FOR_S) -> None:
    """The checks of `rackstrap preflight`, once, within `look_for_s` seconds: what is no reason to stop is told.

    Raises RackstrapError when there is no link, another DHCP server answers, or another machine has the admin address.
    """
    from installer.preflight.run import run_checks
    from installer.preflight.target import make_target_of
    from installer.preflight.verbs import render_checks

    checks = run_checks(make_target_of(site, (), interface), look_for_s)
    stops = [check for check in checks if check.state == "FAIL" and check.name in STOPS]
    if stops:
        found = "; ".join(f"{STOPS[check.name]}: {check.found}" for check in stops)
        raise RackstrapError(found, stops[0].remedy, exit_code=1)
    for line in render_checks([check for check in checks if check.state != "ok"]):
        outlet.tell(line)


def save_applied(state: Path, text: str, beside: Path) -> None:
    """Keep the site file that is carried out, to compare a later one with: site.yaml itself may be of a discovery.

    `beside`: where its relative paths begin.
    """
    from installer.site.save import save_text

    path = state / APPLIED
    path.parent.mkdir(mode=0o700, exist_ok=True)
    save_text(path.with_name("beside"), f"{beside}\n")
    save_text(path, text)


def find_new_bmcs(events: Sequence[Event], journal: Journal) -> list[Event]:
    """The imports that tell the ledger something new."""
    known = journal.ledger.bmcs
    fresh = []
    for event in events:
        entry = known.get(event.data["address"])
        if entry is None or any(getattr(entry, name) != value for name, value in event.data.items()):
            fresh.append(event)
    return fresh


def is_newer(path: Path, than: Path) -> bool:
    try:
        return path.stat().st_mtime > than.stat().st_mtime
    except FileNotFoundError:
        return False


def load_history(state: Path, recordings: Sequence[Path]) -> tuple[list[Event], dict[str, Machine]]:
    """For a dry run: what has happened so far, where something has, and the machines, recordings among them."""
    from installer.site.verbs import load_machines

    machines = load_machines([str(path) for path in recordings])
    if not (state / "store.db").exists():
        return [], machines
    with Journal(state / "store.db") as journal:
        return journal.store.read(), journal.machines() | machines


def make_dry_place(state: Path, image: Path, interface: str) -> AdminPlace:
    """The place as a dry run sees it: no certificate is made for it."""
    from installer.serve.place import load_image

    return AdminPlace(str(state), str(image), interface or "lo", find_pin(state), load_image(image))


def find_pin(state: Path) -> str:
    """The serving certificate's pin, all zeros as long as nothing was served from this state directory."""
    from installer.serve.certificate import load_pin

    return load_pin(state) if (state / "tls").exists() else UNKNOWN_PIN
