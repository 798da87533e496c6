"""Give a recording its meaning: text in, `Machine` out. Pure, and hostile until parsed."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, Final

from installer.model.facts import Bmc, Cpu, Firmware, Machine
from installer.probe import FORMAT, hostile
from installer.probe.disks import parse_disks
from installer.probe.identity import find_serial, find_uuid
from installer.probe.nics import parse_nics

CONSOLE: Final = re.compile(r"(?:tty[A-Za-z]{0,8}\d{1,3}|hvc\d{1,2})(?:,\d{1,7}[noe]?\d?r?)?", re.ASCII)
BMC_FIELDS: Final = {
    "IP Address": "address",
    "MAC Address": "mac",
    "Subnet Mask": "netmask",
    "Default Gateway IP": "router",
    "IP Address Source": "source",
}
BMC_SOURCES: Final = {"Static Address": "static", "DHCP Address": "dhcp", "BIOS Assigned Address": "bios"}
TPM_VERSIONS: Final = {"2": "2.0", "1": "1.2"}


def parse_recording(recording: Mapping[str, Any]) -> Machine:
    """The machine in one recording (record.make_recording's JSON object).

    Raises ValueError saying where the recording is malformed and what was expected there; takes no size, name or
    address on trust. Free text loses what could steer a terminal.
    """
    recording = hostile.read_mapping(recording, "recording")
    if recording.get("format") != FORMAT:
        raise ValueError(f"recording.format: expected {FORMAT}")
    host = hostile.read_mapping(recording.get("host"), "host")
    dmi = hostile.read_mapping(recording.get("dmi"), "dmi")
    commands = hostile.read_mapping(recording.get("commands"), "commands")
    block = [hostile.read_mapping(d, f"block[{n}]") for n, d in enumerate(hostile.read_list(recording.get("block"), "block"))]
    disks = parse_disks(block, commands.get("wipefs", []), hostile.read_mapping(commands.get("smart", {}), "commands.smart"))
    if host.get("disks_locked") is True:  # our own flag, not the disk's
        disks = tuple(dataclasses.replace(disk, read_only=False) for disk in disks)
    return Machine(
        uuid=find_uuid(hostile.read_text(dmi, "product_uuid", "dmi")),
        serial=find_serial(hostile.read_label(dmi, "product_serial", "dmi"), hostile.read_label(dmi, "board_serial", "dmi")),
        vendor=hostile.read_label(dmi, "sys_vendor", "dmi"),
        product=hostile.read_label(dmi, "product_name", "dmi"),
        cpu=parse_cpu(hostile.read_text(host, "cpuinfo", "host")),
        memory_bytes=parse_memory(host),
        firmware=parse_firmware(host, dmi),
        nics=parse_nics(recording),
        disks=disks,
        bmc=parse_bmc(commands.get("ipmi")),
        tpm=TPM_VERSIONS.get(hostile.read_text(host, "tpm", "host"), "1.2" if host.get("tpm_present") is True else ""),
        consoles=parse_consoles(host),
        gateways=parse_gateways(recording.get("gateways", [])),
        boot_nic=parse_boot_nic(hostile.read_text(host, "cmdline", "host")),
    )


def dump_machine(machine: Machine) -> dict[str, Any]:
    """The facts as plain JSON values, as `rackstrap probe` prints them."""
    return dataclasses.asdict(machine)


def parse_cpu(text: str) -> Cpu:
    """/proc/cpuinfo: sockets by physical id, cores by (physical id, core id), threads by processor."""
    sockets: set[str] = set()
    cores: set[tuple[str, str]] = set()
    threads, model, flags, socket = 0, "", "", "0"
    for line in text.splitlines():
        key, _, value = (part.strip() for part in line.partition(":"))
        match key:
            case "processor":
                threads, socket = threads + 1, "0"
            case "model name":
                model = model or hostile.make_label(value)
            case "physical id":
                socket = value
                sockets.add(value)
            case "core id":
                cores.add((socket, value))
            case "flags":
                flags = flags or value
    virtualization = not {"vmx", "svm"}.isdisjoint(flags.split())
    return Cpu(model, len(sockets) or 1, len(cores) or threads or 1, threads or 1, virtualization)


def parse_memory(host: Mapping[str, Any]) -> int:
    """Memory as fitted, from the kernel's memory blocks; as usable (a little less) where it shows none."""
    blocks = hostile.read_count(host, "memory_blocks", "host") * hostile.read_count(host, "memory_block_bytes", "host", base=16)
    usable = re.fullmatch(r"MemTotal:\s+(\d{1,15}) kB", hostile.read_text(host, "meminfo", "host"))
    return blocks or (int(usable[1]) * 1024 if usable else 0)


def parse_firmware(host: Mapping[str, Any], dmi: Mapping[str, Any]) -> Firmware:
    """The SecureBoot variable is four bytes of attributes and one of value (efivarfs; UEFI specification 3.3)."""
    return Firmware(
        mode="uefi" if host.get("efi") is True else "bios",
        secure_boot=re.fullmatch(r"[0-9a-f]{8}01", hostile.read_text(host, "secure_boot", "host")) is not None,
        vendor=hostile.read_label(dmi, "bios_vendor", "dmi"),
        version=hostile.read_label(dmi, "bios_version", "dmi"),
    )


def parse_bmc(answer: object) -> Bmc | None:
    """`ipmitool lan print`, or None without a BMC that answers."""
    if answer is None:
        return None
    record = hostile.read_mapping(answer, "commands.ipmi")
    if record.get("exit") != 0:
        return None
    found: dict[str, str] = {}
    for line in hostile.read_text(record, "out", "commands.ipmi").splitlines():
        key, _, value = (part.strip() for part in line.partition(":"))
        if key in BMC_FIELDS:
            found.setdefault(BMC_FIELDS[key], value)
    source = hostile.make_label(found.pop("source", ""))
    mac = hostile.find_mac(found.pop("mac", ""))
    addresses = {name: hostile.find_address(value) for name, value in found.items()}
    known = {name: "" if value == "0.0.0.0" else value for name, value in addresses.items()}
    return Bmc(mac=mac, source=BMC_SOURCES.get(source, source.lower()), **known)


def parse_consoles(host: Mapping[str, Any]) -> tuple[str, ...]:
    """Console arguments as booted; where the kernel line names none, the consoles that the kernel chose."""
    words = hostile.read_text(host, "cmdline", "host").split()
    named = [word.removeprefix("console=") for word in words if word.startswith("console=")]
    chosen = named or hostile.read_text(host, "consoles", "host").split()
    return tuple(dict.fromkeys(console for console in chosen[:16] if CONSOLE.fullmatch(console)))


def parse_boot_nic(cmdline: str) -> str:
    """The MAC in rackstrap.mac=, or in PXELINUX's BOOTIF= (which writes the hardware type 01- before it)."""
    words = dict(word.split("=", 1) for word in cmdline.split() if "=" in word)
    return hostile.find_mac(words.get("rackstrap.mac", "")) or hostile.find_mac(words.get("BOOTIF", "").removeprefix("01-"))


def parse_gateways(value: object) -> tuple[str, ...]:
    found: list[str] = []
    for number, row in enumerate(hostile.read_list(value, "gateways")):
        entry = hostile.read_list(row, f"gateways[{number}]")
        if entry and isinstance(entry[0], str) and (address := hostile.find_address(entry[0])):
            found.append(address)
    return tuple(dict.fromkeys(found))
