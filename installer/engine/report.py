"""The report of a site in plain text: what is where, what was done and who consented. It holds no secret."""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

from installer.model.problems import RackstrapError
from installer.serve.verbs import find_state_dir

if TYPE_CHECKING:
    from collections.abc import Mapping

    from installer.model.facts import Machine
    from installer.model.ledger import Ledger, MachineEntry
    from installer.wizard.view import View

WIDTH: Final = 78


@dataclass(frozen=True, slots=True)
class Report:
    """As JSON values. `nodes`: one mapping a machine, those with a name first."""

    site: str
    at: float
    version: str
    nodes: tuple[dict[str, Any], ...]
    problems: tuple[str, ...]


def make_report(site: str, ledger: Ledger, machines: Mapping[str, Machine], now: float) -> Report:
    """The report of what the journal says. Pure."""
    from installer import __version__

    entries = sorted(ledger.machines.values(), key=lambda entry: (not entry.name, entry.name, entry.id))
    took: dict[str, float] = {}
    for key, step in ledger.steps.items():
        took[key.host] = took.get(key.host, 0.0) + step.seconds
    nodes = tuple(_make_node(entry, machines.get(entry.id), took.get(entry.name, 0.0)) for entry in entries)
    failed = tuple(f"{key}: {step.failed}" for key, step in ledger.steps.items() if step.failed)
    reasons = tuple(f"{e.name or e.id}: {e.reason}" for e in entries if e.state == "problem" and e.reason)
    return Report(site, now, __version__, nodes, tuple(dict.fromkeys((*reasons, *failed))))


def _make_node(entry: MachineEntry, machine: Machine | None, seconds: float) -> dict[str, Any]:
    consent, installed = entry.consent, entry.installed
    ids = [disk.id for disk in consent.disks] if consent is not None else []
    return {
        "name": entry.name or entry.id,
        "machine": entry.id,
        "state": "left out" if entry.left_out else entry.state,
        "model": f"{machine.vendor} {machine.product}".strip() if machine is not None else "",
        "serial": machine.serial if machine is not None else "",
        "firmware": f"{machine.firmware.mode} {machine.firmware.version}".strip() if machine is not None else "",
        "addresses": dict(entry.addresses),
        "roles": list(entry.roles or ()),
        "disks": [_describe_disk(machine, disk_id) for disk_id in ids],
        "consent": consent.how if consent is not None else "",
        "host_keys": [make_fingerprint(key) for key in installed.ssh_host_keys] if installed is not None else [],
        "root": installed.root if installed is not None else "",
        "proven_cold": installed.cold if installed is not None else False,
        "seconds": round(seconds, 1),
        "installed_at": entry.installed_at,
        "installation": entry.epoch,
    }


def _describe_disk(machine: Machine | None, disk_id: str) -> str:
    from installer.plan.describe import describe_bytes

    disk = machine.disk(disk_id) if machine is not None else None
    return f"{disk.model} {disk.serial} {describe_bytes(disk.size_bytes)} {disk_id}".strip() if disk is not None else disk_id


def make_fingerprint(key: str) -> str:
    """`ssh-ed25519 SHA256:…` of a public key's line, as `ssh-keygen -l` prints it; "unreadable" for anything else."""
    words = key.split()
    try:
        raw = base64.b64decode(words[1], validate=True)
    except (IndexError, ValueError, binascii.Error):
        return "unreadable"
    digest = base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")
    return f"{words[0]} SHA256:{digest}"


def render_report(view: View) -> str:
    """The report of a view, as text of at most 78 columns a line."""
    site = view.draft.site.name if view.draft.site is not None else "unnamed"
    return render_text(make_report(site, view.ledger, view.machines, view.now))


def render_text(report: Report) -> str:
    return "\n".join(_render(report)) + "\n"


def _render(report: Report) -> Iterator[str]:
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(report.at))
    yield from _wrap(f"Rackstrap {report.version}: the site {report.site}, {when}")
    yield f"{len(report.nodes)} machine{'' if len(report.nodes) == 1 else 's'}"
    for node in report.nodes:
        yield ""
        yield from _wrap(f"{node['name']}: {node['state']}")
        for label, value in _list_facts(node):
            yield from _wrap(f"{label}: {value}", "  ")
    yield ""
    yield f"{len(report.problems)} problem{'' if len(report.problems) == 1 else 's'}"
    for problem in report.problems:
        yield from _wrap(problem, "  ")


def _list_facts(node: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "machine", f"{node['model'] or 'unknown model'}, serial {node['serial'] or 'none'}, {node['firmware']}"
    for network, address in node["addresses"].items():
        yield f"address on {network}", address
    if node["roles"]:
        yield "roles", ", ".join(node["roles"])
    for disk in node["disks"]:
        yield "disk", disk
    if node["consent"]:
        yield "consent to erase", node["consent"]
    for key in node["host_keys"]:
        yield "host key", key
    if node["installed_at"]:
        when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(node["installed_at"]))
        yield "installed", f"{when}, installation {node['installation']}, root {node['root']}"
    if node["seconds"]:
        yield "took", f"{node['seconds']:.0f} s"


def _wrap(text: str, indent: str = "") -> list[str]:
    """Lines of printable ASCII: what a machine or a label says must not steer a terminal."""
    plain = "".join(char if char.isascii() and char.isprintable() else "?" for char in text)
    return wrap(plain, WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ") or [indent]


def add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state", type=Path, metavar="DIR", default=find_state_dir(), help="where everything is kept (RACKSTRAP_STATE)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write it there instead of printing it")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")


def load_report(state: Path) -> Report:
    """The report of a state folder. Raises RackstrapError where nothing has been applied or found."""
    from installer.engine.journal import Journal
    from installer.engine.prepare import APPLIED
    from installer.site.load import load_site

    if not (state / "store.db").exists():
        raise RackstrapError(f"nothing has happened yet in {state}", "rackstrap apply SITE, or name its --state")
    site = load_site(state / APPLIED).site if (state / APPLIED).is_file() else None
    with Journal(state / "store.db") as journal:
        return make_report(site.name if site else "unnamed", journal.ledger, journal.machines(), time.time())


def run_report(args: argparse.Namespace) -> int:
    from dataclasses import asdict

    from installer.site.save import save_text

    report = load_report(args.state.absolute())
    text = json.dumps(asdict(report), indent=2) + "\n" if args.json else render_text(report)
    if args.out is not None:
        save_text(args.out, text)
    else:
        sys.stdout.write(text)
    return 0
