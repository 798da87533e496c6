"""Views for the tests of pages and front-ends, made of real values.

Machines are recordings parsed, the ledger is events folded, status, plan and roles are made by the code that makes them in the
field.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from installer.engine.graph import make_graph
from installer.engine.status import make_status
from installer.live.volumes import Volume
from installer.model.facts import Machine
from installer.model.folds import make_ledger
from installer.model.problems import RackstrapError
from installer.plan.plan import make_plan
from installer.preflight.check import Check
from installer.probe.identity import make_machine_id
from installer.probe.parse import parse_recording
from installer.wizard.draft import make_draft
from installer.wizard.planning import Wanted, plan_own
from installer.wizard.view import Continuing, Here, View
from tests.site_head import HEAD
from tests.wizard_events import NOW, PLACE, ROLES, make_deployment, make_discoveries, make_named, make_progress

FOLDER: Final = Path(__file__).parent / "machines"
NAMES: Final = tuple(sorted(path.stem for path in FOLDER.glob("*.json")))
ROOM: Final = 1000  # recorded disks are files of 64 to 512 MiB; times this, an installation fits on them
HOSTILE: Final = (
    "\x1b[2J\x1b]0;owned\x07[bold red]evil[/] [@click=app.quit]\u202egpj\u200b\x9b31m\r\n\tends" + " \U0001f50e" + "x" * 200
)

# What a person would have typed by now. The rules name four of the recorded machines; the others are found, and have no name.
SITE: Final = f"""{HEAD}nodes:
  - {{name: node1, match: {{serial: BV0001}}, roles: [base]}}
  - {{name: node2, match: {{serial: SB0003}}, roles: [base]}}
  - {{name: node3, match: {{serial: BM0012}}, roles: [base]}}
  - {{name: node4, match: {{serial: FK0007}}, roles: [base]}}
"""
# A site with room for 1,000 nodes, whichever they are.
FLEET_SITE: Final = """rackstrap: 1
name: fleet
domain: fleet.example
access:
  ssh_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAFroTJnxFXeOCx6F/r5Loyq6sLLCI/SWhHafajcd5fa operator@desk]
admin:
  hostname: admin
  address: 10.16.0.10
networks:
  admin:
    subnet: 10.16.0.0/16
    ranges: {admin: .0.10-.0.11, dhcp: .1.1-.8.254, host: .16.1-.31.254}
nodes:
  - {match: {any: true}, expect: 1000, roles: [base]}
"""

CHECKS: Final = (
    Check("link", "ok", "enp0s6 up at 10 G, leaf1 port Ethernet1"),
    Check(
        "dhcp", "FAIL", "10.0.0.5 (00:1b:0c:11:22:33) answers on enp0s6", "stop it, move the cable, or serve beside it (proxy)"
    ),
    Check("address", "ok", "nobody else answers for 192.168.124.10"),
    Check("gateway", "wait", "asking 192.168.124.1"),
    Check("dns", "ok", "192.168.124.1 knows lab.example"),
    Check("ntp", "warn", "no NTP server answers", "the admin node keeps time alone; name one under Site"),
    Check("mtu", "ok", "1500 bytes pass"),
)
VOLUMES: Final = (
    Volume("usb-KINGSTON_DT_4GB_77A0-0:0", "KINGSTON DT, 4 GB, label RACKSTRAP", "vfat", "RACKSTRAP", ("site.yaml",)),
)
CONTINUING: Final = (
    Continuing("draft", "the draft of 14 November, stage Disks", "/var/lib/rackstrap/draft.yaml", NOW - 3600),
    Continuing("volume", "site.yaml on KINGSTON DT", "volume:usb-KINGSTON_DT_4GB_77A0-0:0"),
)


@cache
def load_machine(name: str, *, roomy: bool = True) -> Machine:
    """The machine of tests/machines/NAME.json; `roomy` with disks that are large enough for an installation."""
    machine = parse_recording(json.loads((FOLDER / f"{name}.json").read_text()))
    if not roomy:
        return machine
    return replace(machine, disks=tuple(replace(disk, size_bytes=disk.size_bytes * ROOM) for disk in machine.disks))


def load_machines(*names: str) -> dict[str, Machine]:
    """Machines of recordings by machine id."""
    return {make_machine_id(machine): machine for machine in map(load_machine, names)}


def make_fleet(count: int) -> dict[str, Machine]:
    """So many machines, all like the recording bios-virtio, each with serial, MACs and a switch port (of 48) of its own."""
    first, lldp = load_machine("bios-virtio"), load_machine("four-nics").nics[0].lldp
    assert lldp is not None
    fleet = {}
    for number in range(1, count + 1):
        mac = f"52:54:00:f0:{number >> 8:02x}:{number & 255:02x}"
        neighbour = replace(lldp, switch=f"leaf{(number - 1) // 48 + 1}", port=f"Ethernet{(number - 1) % 48 + 1}")
        nic = replace(first.nics[0], mac=mac, lldp=neighbour, speed_mbps=10000)
        disks = tuple(replace(d, serial=f"D{number:05}-{n}", id=f"virtio-D{number:05}-{n}") for n, d in enumerate(first.disks))
        uuid = f"{first.uuid[:-5]}{number:05x}"
        machine = replace(first, serial=f"FL{number:05}", uuid=uuid, nics=(nic,), disks=disks, boot_nic=mac)
        fleet[make_machine_id(machine)] = machine
    return fleet


def make_hostile(value: Any, keep: frozenset[str] = frozenset({"mac", "uuid", "boot_nic", "mood", "state", "kind"})) -> Any:
    """The value with HOSTILE behind every free text in it; identities, addresses and closed sets of words stay."""
    if is_dataclass(value) and not isinstance(value, type):
        names = [f.name for f in fields(value) if f.name not in keep and "Literal" not in str(f.type)]
        changed = {n: make_hostile(getattr(value, n)) for n in names if n not in {"transport", "mode", "addresses", "gateways"}}
        return replace(value, **changed)
    if isinstance(value, tuple):
        return tuple(make_hostile(item) for item in value)
    return value + HOSTILE if isinstance(value, str) and value else value


def make_view(
    *,
    here: str = "four-nics",
    machines: Mapping[str, Machine] | None = None,
    text: str = SITE,
    named: bool = False,
    planned: bool = True,
    deploying: bool = False,
    hostile: bool = False,
    checks: tuple[Check, ...] = CHECKS,
    here_changes: Mapping[str, Any] | None = None,
    **changes: Any,
) -> View:
    """One moment of a site of recorded machines.

    `here`: the recording that is the admin node; `machines`: those discovered (by default all other recordings); `text`: the
    draft's. `named`: names and addresses are given. `deploying`: half-way through, with progress (implies `named`).
    `planned` False: no plan is made. `hostile`: control characters and markup behind every free text.
    `here_changes` and `changes` are fields of Here and of View, set at the end.
    """
    known = dict(load_machines(*(n for n in NAMES if n != here)) if machines is None else machines)
    draft = make_draft(text, ROLES)
    events = make_discoveries(known)
    if (named or deploying) and draft.site is not None:
        events = make_named(draft.site, known, events)
    if deploying and draft.site is not None:
        events = make_deployment(draft.site, known, events)
    ledger = make_ledger(events)
    own = load_machine(here)
    if hostile:
        own, known, checks = make_hostile(own), {key: make_hostile(m) for key, m in known.items()}, make_hostile(checks)
        ledger.machines = {key: replace(e, reason=make_hostile(e.reason)) for key, e in ledger.machines.items()}
        ledger.steps = {key: make_hostile(step, frozenset({"id", "done_id"})) for key, step in ledger.steps.items()}
    place = Here(own, "admin", ("ssh root@10.0.2.15",), "us", ("de", "fr", "us"), VOLUMES, CONTINUING)
    place = replace(place, state_dir=PLACE.state_dir, methods={nic.name: "dhcp" for nic in own.nics if nic.addresses})
    progress = make_progress(ledger)
    logs = dict.fromkeys(progress, ("unpacked 400 MB", "unpacked 420 MB"))
    if hostile:
        progress = {host: replace(row, text=row.text + HOSTILE) for host, row in progress.items()}
        logs = {host: make_hostile(lines) for host, lines in logs.items()}
    view = View(
        draft=draft,
        here=replace(place, **(here_changes or {})),
        machines=known,
        ledger=ledger,
        status=make_status(ledger, progress, NOW),
        progress=progress,
        roles=ROLES,
        checks=checks,
        checks_at=NOW - 2,
        events=events[-300:],
        logs=logs,
        now=NOW,
    )
    view = replace(view, **changes)
    return plan_view(view) if planned else view


def plan_view(view: View) -> View:
    """The view with the plan of its draft, and the plan's steps that are done."""
    if view.draft.site is None:
        return replace(view, plan=None, plan_problem="the site file has errors", done=frozenset())
    try:
        plan = make_plan(view.draft.site, view.machines, view.ledger, view.roles, PLACE)
    except RackstrapError as error:
        return replace(view, plan=None, plan_problem=error.message, done=frozenset())
    done = frozenset(make_graph(plan.steps, view.ledger).done)
    here = view.here.machine if view.here.boot.source == "medium" else None
    wanted = Wanted((), view.draft.site, view.machines, view.ledger, view.roles, lambda _: PLACE, here=here)
    own, least_bytes = plan_own(view.draft.site, wanted)
    return replace(view, plan=plan, plan_problem="", done=done, own=own, own_least_bytes=least_bytes)
