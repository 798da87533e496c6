"""Record this machine: what udev, sysfs, the BMC, LLDP and the disks' own superblocks tell, raw.

Reading changes nothing, needs no network, and never fails: what cannot be read is recorded as absent.
No secret is recorded: the kernel line is filtered, and so is what the BMC answers.
"""

from __future__ import annotations

import re
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from installer.probe import FORMAT, sysfs
from installer.probe.commands import run_command

WIPEFS: Final = ("wipefs", "--no-act", "--json", "--output", "DEVICE,OFFSET,TYPE,UUID,LABEL,USAGE")
WIPEFS_TIMEOUT_S: Final = 20.0
TOOL_TIMEOUT_S: Final = 8.0
HEALTH_TIMEOUT_S: Final = 6.0
BMC_DEVICES: Final = (Path("/dev/ipmi0"), Path("/dev/ipmi/0"), Path("/dev/ipmidev/0"))
BMC_SECRETS: Final = re.compile(r"(?im)^SNMP Community String.*\n?")
# Vendors of disks that exist only in software: they have no SMART, and asking sixty of them costs seconds.
VIRTUAL_VENDORS: Final = {"QEMU", "VMware", "Msft", "VBOX", "Google", "LIO-ORG", "IET"}
AT_A_TIME: Final = 6


def make_recording(*, load_modules: bool = False) -> dict[str, Any]:
    """Everything that the probe reads of this machine, as one JSON object (parse.parse_recording gives it meaning).

    `load_modules` lets it load the kernel's IPMI driver first, so that the BMC answers; without it nothing at all changes.
    Needs root for serials, superblocks and SMART; without root those are absent. Takes at most some 30 s, usually under one.
    """
    names = sysfs.list_block_names()
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        superblocks = pool.submit(read_superblocks, names, pool)
        tools = {
            "ip": pool.submit(run_command, ("ip", "-j", "-d", "link"), TOOL_TIMEOUT_S),
            "lldp": pool.submit(run_command, ("lldpctl", "-f", "json0"), TOOL_TIMEOUT_S),
            "ipmi": pool.submit(read_bmc, load_modules),
        }
        recording: dict[str, Any] = {"format": FORMAT, "host": sysfs.read_host(), "dmi": sysfs.read_dmi()}
        recording |= sysfs.read_devices(names)
        recording |= read_addresses()
        health = {
            str(d["properties"]["DEVNAME"]): pool.submit(read_health, str(d["properties"]["DEVNAME"]))
            for d in recording["block"]
            if has_health(d)
        }
        commands: dict[str, Any] = {name: future.result() for name, future in tools.items()}
        commands["wipefs"] = collect(superblocks.result())
        commands["smart"] = {device.removeprefix("/dev/"): future.result() for device, future in health.items()}
    return recording | {"commands": commands}


def read_superblocks(names: list[str], pool: ThreadPoolExecutor) -> list[Future[dict[str, Any]]]:
    """Every superblock of these devices, by wipefs, which only reads here. It ends at the first device that it cannot
    read; then each is asked on its own, so that one broken disk does not hide the others."""
    if not names:
        return []
    devices = [f"/dev/{name.replace('!', '/')}" for name in names]
    whole = run_command((*WIPEFS, *devices), WIPEFS_TIMEOUT_S)
    if whole["exit"] == 0 or whole.get("why") == "absent" or len(devices) == 1:
        done: Future[dict[str, Any]] = Future()
        done.set_result(whole)
        return [done]
    return [pool.submit(run_command, (*WIPEFS, device), TOOL_TIMEOUT_S) for device in devices]


def collect(futures: list[Future[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [future.result() for future in futures]


def has_health(device: dict[str, Any]) -> bool:
    """Whether to ask this block device for SMART or NVMe health: whole ATA, SAS and NVMe disks that are hardware."""
    properties, attributes = device["properties"], device["attributes"]
    if properties.get("DEVTYPE") != "disk" or "DEVNAME" not in properties:
        return False
    if "/nvme/" in device["path"] or "/nvme-subsystem/" in device["path"]:
        return True
    if properties.get("ID_BUS") == "ata":
        return bool(properties.get("ID_ATA_FEATURE_SET_SMART") == "1")
    return bool(properties.get("ID_BUS") == "scsi" and attributes.get("device/vendor") not in VIRTUAL_VENDORS)


def read_health(device: str) -> dict[str, Any]:
    """SMART or NVMe health by smartctl, without waking a disk that sleeps; by nvme-cli where only that is there."""
    answer = run_command(("smartctl", "--json=c", "--nocheck=standby", "--health", "--attributes", device), HEALTH_TIMEOUT_S)
    if answer.get("why") == "absent" and "nvme" in device:
        return run_command(("nvme", "smart-log", "--output-format=json", device), HEALTH_TIMEOUT_S)
    return answer


def read_bmc(load_modules: bool) -> dict[str, Any]:
    """`ipmitool lan print` over the system interface, without the SNMP community; "absent" without a BMC device."""
    if load_modules and not any(device.exists() for device in BMC_DEVICES):
        run_command(("modprobe", "--quiet", "--all", "ipmi_si", "ipmi_devintf"), TOOL_TIMEOUT_S)
    if not any(device.exists() for device in BMC_DEVICES):
        return {"argv": ["ipmitool"], "exit": None, "out": "", "why": "no device"}
    answer = run_command(("ipmitool", "lan", "print"), TOOL_TIMEOUT_S)
    return answer | {"out": BMC_SECRETS.sub("", answer["out"])}


def read_addresses() -> dict[str, Any]:
    """IP addresses of each interface and the gateways, through netifaces."""
    import netifaces

    families = {"inet": netifaces.AF_INET, "inet6": netifaces.AF_INET6}
    addresses: dict[str, list[dict[str, str]]] = {}
    for name in netifaces.interfaces():
        try:
            found = netifaces.ifaddresses(name)
        except ValueError:  # gone since it was listed
            continue
        rows = [
            {"family": label, "address": row["addr"], "netmask": row.get("netmask", "")}
            for label, family in families.items()
            for row in found.get(family, ())
        ]
        if rows and name != "lo":
            addresses[name] = rows
    gateways: dict[Any, Any] = dict(netifaces.gateways())
    return {
        "addresses": addresses,
        "gateways": [list(entry[:2]) for family in families.values() for entry in gateways.get(family, ())],
    }
