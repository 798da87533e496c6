"""What the kernel and udev tell about disks, NICs and the machine: read from sysfs and procfs, as raw text."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Final

SYS: Final = Path("/sys")
FILE_LIMIT_BYTES: Final = 1 << 20
SECURE_BOOT: Final = SYS / "firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
# Where the live system says that it sets every disk read-only, so that the kernel's flag tells nothing about the hardware.
READ_ONLY_RULE: Final = Path("/run/udev/rules.d/10-rackstrap-readonly.rules")
BLOCK_ATTRIBUTES: Final = (
    "size", "start", "ro", "removable", "hidden", "partition", "serial", "wwid", "queue/rotational", "queue/logical_block_size",
    "device/model", "device/vendor", "device/serial", "device/wwid",
)  # fmt: skip
NET_ATTRIBUTES: Final = ("address", "addr_assign_type", "carrier", "speed", "type", "operstate")
DMI_NAMES: Final = (
    "sys_vendor", "product_name", "product_serial", "product_uuid", "product_family", "product_sku", "board_vendor", "board_name",
    "board_serial", "chassis_type", "chassis_vendor", "bios_vendor", "bios_version", "bios_date",
)  # fmt: skip
CPU_FIELDS: Final = ("processor", "vendor_id", "model name", "physical id", "core id", "cpu cores", "siblings")
# What changes at every boot, or says what other properties say already.
NOISE: Final = {"CURRENT_TAGS", "TAGS", "USEC_INITIALIZED", "SYSTEMD_ALIAS", "SYSTEMD_WANTS", "DEVPATH"}
# Only what the probe needs: other words of a kernel line may hold addresses with passwords.
CMDLINE_WORDS: Final = re.compile(r"(?:console|rackstrap\.mac|BOOTIF)=\S+")
# No disks: memory, loops, optical drives and floppies, and what is built on top of disks.
NO_DISK: Final = re.compile(r"(?:loop|ram|zram|dm-|md|sr|fd|nbd|rbd|drbd|bcache|zd|mtdblock|mmcblk\d+(?:boot\d+|rpmb))")


def read_text(path: Path) -> str:
    """The file's text without trailing white space; "" where it cannot be read (absent, no carrier, not permitted)."""
    try:
        with path.open("rb") as file:
            return file.read(FILE_LIMIT_BYTES).decode(errors="replace").rstrip("\0\n ")
    except OSError:
        return ""


def list_names(path: Path) -> list[str]:
    """The names in a directory, sorted; none where it cannot be read."""
    try:
        return sorted(os.listdir(path))  # noqa: PTH208 - names only, and os.listdir needs one call
    except OSError:
        return []


def list_block_names() -> list[str]:
    """Kernel names of the disks and partitions that are hardware and not empty: sda, sda1, nvme0n1."""
    root = SYS / "class/block"
    names = [name for name in list_names(root) if not NO_DISK.match(name)]
    return [n for n in names if read_text(root / n / "size") not in {"", "0"} and read_text(root / n / "hidden") != "1"]


def read_cpuinfo() -> str:
    """/proc/cpuinfo with what counts sockets and cores; flags of the first processor, and of those only virtualization."""
    kept: list[str] = []
    for line in read_text(Path("/proc/cpuinfo")).splitlines():
        field = line.partition(":")[0].strip()
        if field in CPU_FIELDS:
            kept.append(line)
        elif field == "flags" and not any(k.startswith("flags") for k in kept):
            kept.append("flags\t: " + " ".join(sorted({"vmx", "svm"} & set(line.split()))))
    return "\n".join(kept)


def read_host() -> dict[str, Any]:
    """Firmware mode, memory, processor, TPM, consoles: raw text under one name each."""
    memory = SYS / "devices/system/memory"
    try:
        secure_boot = SECURE_BOOT.read_bytes()[:16].hex()
    except OSError:
        secure_boot = ""
    return {
        "boot_id": read_text(Path("/proc/sys/kernel/random/boot_id")),
        "cmdline": " ".join(CMDLINE_WORDS.findall(read_text(Path("/proc/cmdline")))),
        "consoles": read_text(SYS / "class/tty/console/active"),
        "cpuinfo": read_cpuinfo(),
        "meminfo": read_text(Path("/proc/meminfo")).partition("\n")[0],
        "memory_blocks": sum(1 for name in list_names(memory) if re.fullmatch(r"memory\d+", name)),
        "memory_block_bytes": read_text(memory / "block_size_bytes"),
        "efi": (SYS / "firmware/efi").is_dir(),
        "secure_boot": secure_boot,
        "tpm": read_text(SYS / "class/tpm/tpm0/tpm_version_major"),
        "tpm_present": bool(list_names(SYS / "class/tpm")),
        "disks_locked": READ_ONLY_RULE.exists(),
    }


def read_dmi() -> dict[str, str]:
    """SMBIOS strings as the kernel shows them; serials and the UUID need root."""
    found = {name: read_text(SYS / "class/dmi/id" / name) for name in DMI_NAMES}
    return {name: text for name, text in found.items() if text}


def read_device(device: Any, attributes: tuple[str, ...]) -> dict[str, Any]:
    """One pyudev device as {"path", "properties", "attributes", "driver"}."""
    root = Path(device.sys_path)
    found = {name: read_text(root / name) for name in attributes}
    driver = root / "device/driver"
    return {
        "path": device.device_path,
        "properties": {name: text for name, text in device.properties.items() if name not in NOISE},
        "attributes": {name: text for name, text in found.items() if text},
        "driver": driver.resolve().name if driver.is_symlink() else "",
    }


def read_devices(block_names: list[str]) -> dict[str, list[dict[str, Any]]]:
    """The named block devices and every NIC that is hardware: {"block": […], "net": […]}, through pyudev."""
    import pyudev

    context = pyudev.Context()
    block: list[dict[str, Any]] = []
    for name in block_names:
        try:
            block.append(read_device(pyudev.Devices.from_name(context, "block", name), BLOCK_ATTRIBUTES))
        except pyudev.DeviceNotFoundError:  # pulled out since it was listed
            continue
    net: list[dict[str, Any]] = []
    for device in context.list_devices(subsystem="net"):
        if not device.device_path.startswith("/devices/virtual/"):
            net.append(read_device(device, NET_ATTRIBUTES))
    return {"block": block, "net": sorted(net, key=lambda n: str(n["path"]))}
