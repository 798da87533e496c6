"""What will be done: steps as a graph, made purely from site, machines and ledger."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any, Literal

from installer.model.orders import InstallSpec
from installer.model.problems import Problem


@dataclass(frozen=True, slots=True)
class Image:
    """The built image, as its manifest.json says. `sha256`, `bytes`: by file name (vmlinuz, initrd, …squashfs)."""

    version: str
    kernel: str
    sha256: Mapping[str, str]
    bytes: Mapping[str, int]
    root_bytes: int  # unpacked size of what every node has
    admin_bytes: int = 0  # … and of what an admin node has besides


@dataclass(frozen=True, slots=True)
class AdminPlace:
    """Where and how this admin node serves: what rendering needs beside the site."""

    state_dir: str
    image_dir: str
    interface: str
    pin: str  # SHA-256 of the serving certificate (DER), hex
    image: Image


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Write `text` to `path` on the admin node, atomically."""

    path: str
    text: str
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class RunCommand:
    """Run one program on the admin node; a non-zero exit fails the step."""

    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SetPower:
    """Set the power of the machine behind a BMC, after its boot device.

    `bmc` is the BMC's address, or "manual:NAME" where a person presses the button.
    """

    bmc: str
    power: Literal["on", "off", "cycle"]
    boot: Literal["pxe", "disk", ""] = ""
    uefi: bool = False


@dataclass(frozen=True, slots=True)
class WaitFor:
    """Wait until the ledger shows `fact` about `subject`; `says` is what the operator reads meanwhile.

    Facts: discovered (a BMC's machine), admitted, allocated, installed, ready (a node), matched (a node rule),
    service (a service runs on the configuration whose digest is `value`). `gate` is a wait for a person.
    """

    fact: Literal["discovered", "matched", "admitted", "allocated", "installed", "ready", "service"]
    subject: str
    says: str
    value: str = ""
    gate: bool = False


@dataclass(frozen=True, slots=True)
class OrderNode:
    """Give the node's agent an order and wait for its result."""

    node: str
    kind: Literal["install", "reboot", "poweroff", "identify"]
    install: InstallSpec | None = None


@dataclass(frozen=True, slots=True)
class PlayRole:
    """Converge a role on nodes with Ansible."""

    role: str
    nodes: tuple[str, ...]


Action = WriteFile | RunCommand | SetPower | WaitFor | OrderNode | PlayRole


@dataclass(frozen=True, slots=True)
class StepKey:
    """`host` is "admin", a node's name, or "bmc ADDRESS"; `name` a verb phrase's short form: install."""

    host: str
    name: str

    def __str__(self) -> str:
        return f"{self.host}/{self.name}"


@dataclass(frozen=True, slots=True)
class Step:
    """One unit of work. `id` hashes what was decided, never facts that drift, titles or estimates."""

    key: StepKey
    id: str
    title: str  # imperative sentence
    actions: tuple[Action, ...]
    needs: tuple[StepKey, ...] = ()
    deadline_s: float = 600
    attempts: int = 3
    destructive: bool = False


def make_step_id(*decided: object) -> str:
    """16 hex digits over what was decided, stable over runs and releases."""
    return hashlib.sha256(json.dumps(decided, sort_keys=True, default=_plain).encode()).hexdigest()[:16]


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)


@dataclass(frozen=True, slots=True)
class DiskPlan:
    """What happens to one chosen disk."""

    id: str
    model: str
    serial: str
    size_bytes: int
    holds: tuple[str, ...]  # what is lost, in words: 'ext4 "backup" on partition 1'


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One node: which machine, where, what is written, and what it costs."""

    name: str
    machine: str  # machine id; "" while no machine fits
    rule: int  # index into site.nodes
    group: str
    roles: tuple[str, ...]
    why: Mapping[str, str]  # role -> reason
    addresses: Mapping[str, str]  # network -> address in CIDR
    disks: tuple[DiskPlan, ...]
    mirror: bool
    reboots: int
    write_bytes: int
    minutes: float
    files: tuple[str, ...] = ()  # paths that the installer renders for it
    refused: tuple[tuple[str, str], ...] = ()  # disks that are not offered: id, reason
    consent: str = ""  # how the consent came that covers its disks; "" when there is none that holds
    begun: bool = False  # its installation has begun, or is over: its disks are fixed


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in an order in which they can run, and per node what they amount to."""

    site: str
    nodes: tuple[NodePlan, ...]
    steps: tuple[Step, ...]
    files: Mapping[str, str] = field(default_factory=dict)  # folder-relative path -> text, for --into
    problems: tuple[Problem, ...] = ()
    consents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # machine id -> CONSENT_GIVEN's data to journal

    def node(self, name: str) -> NodePlan | None:
        return next((n for n in self.nodes if n.name == name), None)
