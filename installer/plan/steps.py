"""The steps of a plan, in an order in which they can run.

A step that is done keeps no needs: services are configured anew whenever a node gets its name, and that must never make
a machine be switched or installed again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, Literal

from installer.model.ledger import BmcEntry, Ledger
from installer.model.orders import InstallSpec, Layout
from installer.model.plan import OrderNode, SetPower, Step, StepKey, WaitFor, WriteFile, make_step_id
from installer.model.site import Site
from installer.plan.decided import Decided
from installer.plan.natural import make_natural_key
from installer.render.services import make_digest

DNSMASQ: Final = StepKey("admin", "dnsmasq")
NGINX: Final = StepKey("admin", "nginx")
DISCOVER_S: Final = 1200.0  # servers take minutes in their firmware, and may try other NICs first
MATCH_S: Final = 7200.0
INSTALL_S: Final = 3600.0
BOOT_S: Final = 1200.0
DEFAULT_CONSOLES: Final = ("tty0", "ttyS0,115200n8")
Gate = Literal["admitted", "allocated"]
UNITS: Final = ("ssh.service", "systemd-networkd.service", "systemd-timesyncd.service")


def make_steps(
    site: Site, ledger: Ledger, nodes: Iterable[Decided], lacking: Mapping[int, int], services: Mapping[str, Mapping[str, str]]
) -> tuple[Step, ...]:
    """All steps. `lacking`: rule -> machines that are still to come; `services`: name -> path -> text."""
    steps = [make_service_step(name, files) for name, files in services.items()]
    steps += [make_discover_step(bmc.address, bmc.uefi) for bmc in _usable_bmcs(ledger)]
    steps += [make_match_step(site, rule, missing) for rule, missing in lacking.items()]
    for node in nodes:
        steps += make_node_steps(node, ledger)
    return tuple(_settle(step, ledger) for step in steps)


def make_service_step(name: str, files: Mapping[str, str]) -> Step:
    """Write a service's configuration and wait until it runs on exactly that."""
    digest = make_digest(files)
    writes = tuple(WriteFile(path, text) for path, text in sorted(files.items()))
    wait = WaitFor("service", name, f"{name} to run on its new configuration", value=digest)
    return Step(
        StepKey("admin", name), make_step_id("service", name, digest), f"Configure {name}", (*writes, wait), deadline_s=120
    )


def make_discover_step(bmc: str, uefi: bool) -> Step:
    """Power a machine on into discovery. Its id is the BMC's address alone."""
    actions = (
        SetPower(bmc, "cycle", boot="pxe", uefi=uefi),
        WaitFor("discovered", bmc, f"the machine behind {bmc} to report itself"),
    )
    key = StepKey(f"bmc {bmc}", "discover")
    return Step(key, make_step_id("discover", bmc), f"Discover the machine behind {bmc}", actions, (DNSMASQ, NGINX), DISCOVER_S)


def make_match_step(site: Site, index: int, missing: int) -> Step:
    """Wait for the machines that a rule still lacks."""
    rule = site.nodes[index]
    who = rule.name or f"nodes[{index}]"
    says = f"{missing} machine{'' if missing == 1 else 's'} that fit{'s' if missing == 1 else ''} {who}"
    wait = WaitFor("matched", str(index), says, value=str(rule.expect))
    step_id = make_step_id("match", index, rule.name, rule.match, rule.expect)
    return Step(StepKey(f"rule {index}", "match"), step_id, f"Find {says}", (wait,), (DNSMASQ, NGINX), MATCH_S, attempts=1)


def make_node_steps(node: Decided, ledger: Ledger) -> list[Step]:
    """Rediscover (from the second installation on), admit, allocate, install, boot."""
    if node.machine is None:
        return []
    steps = [make_rediscover_step(node, ledger)] if node.epoch > 1 else []
    first = tuple(step.key for step in steps)
    steps += [_make_gate(node, "admit", "admitted", "to be admitted", needs=first, decided=node.machine_id)]
    if node.blocked and not node.has_begun:
        return steps
    steps += [
        _make_gate(
            node, "allocate", "allocated", "to be allocated: its disks may then be erased", needs=first, decided=node.epoch
        )
    ]
    return [*steps, make_install_step(node), make_boot_step(node)]


def _make_gate(node: Decided, name: str, fact: Gate, says: str, *, needs: tuple[StepKey, ...], decided: object) -> Step:
    wait = WaitFor(fact, node.name, f"{node.name} {says}", gate=True)
    return Step(node.key(name), make_step_id(name, node.name, decided), f"{name.capitalize()} {node.name}", (wait,), needs)


def make_rediscover_step(node: Decided, ledger: Ledger) -> Step:
    """Boot a node into discovery once more, before it is installed anew."""
    bmc = node.bmc or f"manual:{node.name}"
    entry = ledger.bmcs.get(bmc)
    uefi = entry.uefi if entry is not None else node.machine is not None and node.machine.firmware.mode == "uefi"
    actions = (
        SetPower(bmc, "cycle", boot="pxe", uefi=uefi),
        WaitFor("discovered", node.name, f"{node.name} to report itself from discovery"),
    )
    step_id = make_rediscover_id(node.name, node.epoch)
    return Step(node.key("rediscover"), step_id, f"Discover {node.name} anew", actions, (DNSMASQ, NGINX), DISCOVER_S)


def make_rediscover_id(name: str, epoch: int) -> str:
    return make_step_id("rediscover", name, epoch)


def make_install_step(node: Decided) -> Step:
    """Install, keyed by node and epoch alone. Without a consent that holds the order names no disk: it cannot write."""
    spec = make_install_spec(node)
    which = " and ".join(disk.id for disk in node.disks) or "no disk"
    return Step(
        node.key("install"),
        make_step_id("install", node.name, node.epoch),
        f"Install {node.name} onto {which}",
        (OrderNode(node.name, "install", spec),),
        (node.key("admit"), node.key("allocate")),
        INSTALL_S,
        destructive=True,
    )


def make_install_spec(node: Decided) -> InstallSpec:
    consoles = node.machine.consoles if node.machine is not None else ()
    return InstallSpec(
        node.name,
        node.epoch,
        node.chosen,
        Layout(),
        node.files,
        node.handover,
        consoles or DEFAULT_CONSOLES,
        node.users,
        UNITS,
    )


def make_boot_step(node: Decided) -> Step:
    """Wait until the installed system reports itself."""
    wait = WaitFor("installed", node.name, f"{node.name} to report itself from its own disk")
    step_id = make_step_id("boot", node.name, node.epoch)
    return Step(node.key("boot"), step_id, f"See {node.name} come up", (wait,), (node.key("install"),), BOOT_S)


def _usable_bmcs(ledger: Ledger) -> list[BmcEntry]:
    """Those that somebody can switch: by IPMI with user and secret, or by hand."""
    usable = (e for e in ledger.bmcs.values() if (e.user and e.secret) or e.address.startswith("manual:"))
    return sorted(usable, key=lambda entry: make_natural_key(entry.address))


def _settle(step: Step, ledger: Ledger) -> Step:
    """Without its needs, when its last success has this id; services aside, which follow their text."""
    entry = ledger.steps.get(step.key)
    return replace(step, needs=()) if step.needs and entry is not None and entry.done_id == step.id else step
