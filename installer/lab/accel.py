"""Whether hardware virtualisation really boots here.

/dev/kvm may exist, open and even create a virtual CPU, and still fail on a stock kernel. So a stock kernel is booted
until it asks for its root filesystem; the verdict is kept for this boot of the host.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Final, Literal

Accel = Literal["kvm", "tcg"]
PROBE_S: Final = 20.0
BOOTED: Final = b"Unable to mount root fs"


def find_accel(kernel: Path | None, cache: Path) -> Accel:
    """`kvm` when this kernel boots under it. Without a kernel to try there is no proof, hence `tcg`."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    if kernel is None:
        return "tcg"
    key = [Path("/proc/sys/kernel/random/boot_id").read_text().strip(), str(kernel.resolve()), kernel.stat().st_mtime]
    try:
        known = json.loads(cache.read_text())
        if known["for"] == key:
            return "kvm" if known["kvm"] is True else "tcg"
    except (OSError, ValueError, KeyError, TypeError):
        pass
    works = run_probe(kernel)
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text(json.dumps({"for": key, "kvm": works}) + "\n")
    return "kvm" if works else "tcg"


def run_probe(kernel: Path) -> bool:
    """Boot the kernel alone under KVM; True when it came as far as looking for a root filesystem."""
    argv = ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-machine", "q35", "-m", "512", "-nodefaults", "-no-reboot"]
    argv += ["-display", "none", "-serial", "stdio", "-kernel", str(kernel), "-append", "console=ttyS0 panic=-1"]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=PROBE_S, check=False)
    except (subprocess.TimeoutExpired, FileNotFoundError):
        return False
    return BOOTED in done.stdout


def find_kernel(image_dir: Path | None) -> Path | None:
    """A kernel to probe with: the image's own, else the host's."""
    own = [image_dir / "vmlinuz"] if image_dir else []
    return next((path for path in [*own, *sorted(Path("/boot").glob("vmlinuz-*"), reverse=True)] if path.is_file()), None)
