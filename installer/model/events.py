"""What happened. Events are appended to the journal and never changed; the ledger is a fold over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Happened(StrEnum):
    """Every kind of event; behind each, the keys of its `data`. `host` is a machine id unless said otherwise."""

    # the site (host "admin")
    SITE_APPLIED = "site_applied"  # sha256, name
    SERVICE_STARTED = "service_started"  # name, digest (of its configuration)
    SERVICE_STOPPED = "service_stopped"  # name, reason
    NETWORK_SET = "network_set"  # address, link, within (seconds): this machine's own network was changed
    NETWORK_CONFIRMED = "network_confirmed"  # what (address and link, in words): it is kept
    NETWORK_REVERTED = "network_reverted"  # what, reason: it went back
    ADMIN_CONSENTED = "admin_consented"  # as CONSENT_GIVEN, and machine ({uuid, serial}): this machine's disks may be erased
    ADMIN_INSTALL_STARTED = "admin_install_started"  # epoch: uses the consent up
    ADMIN_UNPACKED = "admin_unpacked"  # epoch, phases ({stage: seconds}): all is on the disk, hand-over begins
    ADMIN_INSTALLED = "admin_installed"  # epoch, boot_id, disks (ids), address: it runs from its own disk
    STATE_RESTORED = "state_restored"  # made_at, release: a backup was restored; all consents, orders and requests are withdrawn
    BMC_IMPORTED = "bmc_imported"  # address, serial, user, secret (a file's path, never its content), uefi
    BMC_FOUND = "bmc_found"  # address: answers IPMI, no credentials known yet

    # machines
    MACHINE_DISCOVERED = "machine_discovered"  # recording (blob sha256), code, key (fingerprint), address, mac, boot_id
    MACHINE_REPORTED = "machine_reported"  # recording (blob sha256): facts changed, same boot
    CLAIM_REFUSED = "claim_refused"  # key, code, address, reason: someone claims to be this machine
    CLAIM_APPROVED = "claim_approved"  # key: the operator accepts the new key
    MACHINE_ADMITTED = "machine_admitted"  # key, where a person admitted it by its code: void when it has another by now
    MACHINE_DELETED = "machine_deleted"  # (none): forgotten; its name and addresses are free

    # nodes: a machine that was given a name
    NODE_BOUND = "node_bound"  # name, rule (index into site.nodes)
    NODE_RENAMED = "node_renamed"  # name
    ADDRESS_GIVEN = "address_given"  # network, address
    GROUP_SET = "group_set"  # group
    ROLES_SET = "roles_set"  # roles (list): the operator's own choice
    CONSENT_GIVEN = "consent_given"  # disks ([{id, wwn, serial, size_bytes, holds_digest}]), epoch, how, own_mark (bool)
    INSTALL_STARTED = "install_started"  # epoch: uses the consent up
    NODE_UNPACKED = "node_unpacked"  # epoch, phases ({stage: seconds}): order done, hand-over begins
    NODE_INSTALLED = "node_installed"  # epoch, boot_id, soft_reboots, ssh_host_keys (list), root, disk, address, cold (bool)
    NODE_STATE = "node_state"  # state, reason: hardware-installing … ready, problem
    NODE_LEFT_OUT = "node_left_out"  # (none): the operator goes on without it
    NODE_RETRIED = "node_retried"  # (none): problem cleared, failed steps may run again
    NODE_RESET = "node_reset"  # (none): back to discovered; installation forgotten, disks untouched
    REINSTALL_ASKED = "reinstall_asked"  # epoch (new), disks (ids, as shown): leave to erase Rackstrap's own mark on these

    # power; host is a machine id, or "bmc ADDRESS" before a machine is known behind it
    POWER_SET = "power_set"  # bmc, power, boot: from now on an enrolment of this machine is expected

    # steps; host is the step key's host
    STEP_STARTED = "step_started"  # name, id, attempt
    STEP_DONE = "step_done"  # name, id, seconds
    STEP_FAILED = "step_failed"  # name, id, attempt, reason
    STEP_WAITED = "step_waited"  # name, for: what the step waits for
    ORDER_GIVEN = "order_given"  # order (id), kind, install (an InstallSpec as a dict, or null), resumes (bool)
    ORDER_DONE = "order_done"  # order (id)
    ORDER_FAILED = "order_failed"  # order (id), reason

    # requests: wishes of TUI and CLI; the running service carries them out
    ASKED = "asked"  # request (id), verb, and the verb's arguments
    ANSWERED = "answered"  # request (id), ok, message


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `id` grows by commit order; `at` is seconds since 1970, UTC; `who` is user@process."""

    kind: Happened
    host: str
    data: Mapping[str, Any] = field(default_factory=dict)
    who: str = ""
    at: float = 0.0
    id: int = 0
