"""Plans of a whole rack, for their tests."""

from __future__ import annotations

from dataclasses import replace

from installer.model.facts import Signature
from installer.model.plan import Plan, Step
from tests.plan_samples import EXT4, KEY, OWN, TABLE, Bench, make_disk, make_machine, make_site

ONE = (
    f"access: {{ssh_keys: ['{KEY}']}}\nerase: blank\ndiscovery: {{admit: matched}}\nnodes: [{{name: a, match: {{serial: S1}}}}]\n"
)


def keys(plan: Plan) -> list[str]:
    return [str(step.key) for step in plan.steps]


def step(plan: Plan, key: str) -> Step:
    return next(step for step in plan.steps if str(step.key) == key)


def note_done(bench: Bench, plan: Plan, *names: str) -> None:
    for name in names:
        found = step(plan, name)
        bench.note("step_done", found.key.host, name=found.key.name, id=found.id)


def make_rack() -> Plan:
    """One plan with all that an operator may have to read."""
    site = make_site(f"""
access: {{ssh_keys: ['{KEY}']}}
networks:
  admin: {{subnet: 192.168.124.0/24, conduit: intf0, ranges: {{dhcp: .21-.80, host: .81-.160}}}}
  storage: {{subnet: 192.168.125.0/24, conduit: intf0, vlan: 200, ranges: {{host: .10-.239}}}}
roles: {{base: {{networks: [storage]}}}}
erase: blank
discovery: {{admit: matched}}
nodes:
  - {{name: control, match: {{serial: S1}}, group: head, handover: reboot, disk: {{smallest: true, mirror: true}}}}
  - {{match: {{product: R1}}, expect: 3}}
  - {{name: late, match: {{serial: S9}}}}
""")
    windows = (TABLE, replace(EXT4, type="ntfs", label="Windows"), Signature("sda2", "swap", "swap"))
    stick = make_disk("usb", 16, transport="usb", removable=True)
    machines = {
        "m-1": make_machine(1, [make_disk("sda", 480), make_disk("sdb", 480), make_disk("sdc", 4000, rotational=True)]),
        "m-2": make_machine(2, [make_disk("sda", 1920, transport="nvme", holds=windows), stick]),
        "m-3": make_machine(3, [make_disk("sda", 80, holds=OWN)]),
        "m-4": make_machine(4, [make_disk("sdb", 0.5), stick]),
    }
    return Bench(site, machines).settle()
