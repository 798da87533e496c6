"""Write iso/python.lock anew: what pyproject.toml's dependencies are in this environment, as wheels for the image's Python.

Usage: .venv/bin/python iso/make_python_lock.py. Each line is NAME==VERSION --hash=sha256:…, as `pip install --require-hashes`
reads it. Left out is what Debian's packages bring to every machine (iso/packages/python.list). iso/python.conf names the
Python that the wheels are for.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

ISO = Path(__file__).resolve().parent
FROM_DEBIAN = frozenset({"jinja2", "markupsafe", "netifaces", "pyudev", "tzdata"})


def load_python() -> dict[str, str]:
    """The words of iso/python.conf: PYTHON=3.13 and so on."""
    lines = (ISO / "python.conf").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def find_needed(name: str, extras: frozenset[str], python: str, seen: dict[str, str]) -> None:
    """Add to `seen` (name → version) the distribution `name` and all that it needs under `python` on Linux."""
    distribution = metadata.distribution(name)
    seen[name] = distribution.version
    for line in distribution.requires or ():
        need = Requirement(line)
        here = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
        if need.marker and not any(need.marker.evaluate({**here, "extra": extra}) for extra in ("", *extras)):
            continue
        wanted = canonicalize_name(need.name)
        if wanted not in FROM_DEBIAN and (wanted not in seen or need.extras):
            find_needed(wanted, frozenset(need.extras), python, seen)


def run_download(pins: dict[str, str], words: dict[str, str], folder: Path) -> None:
    """Fetch one wheel for each pin; pip says which one has none for that Python."""
    target = ["--implementation=cp", f"--python-version={words['PYTHON']}"]
    target += [f"--platform={platform}" for platform in words["PLATFORMS"].split()]
    target += [f"--abi={abi}" for abi in words["ABIS"].split()]
    download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", *target, "-d", str(folder)]
    subprocess.run([*download, *(f"{name}=={version}" for name, version in pins.items())], check=True)


def main() -> None:
    """Write the lock, one line a wheel, sorted by name."""
    words = load_python()
    found: dict[str, str] = {}
    find_needed("rackstrap", frozenset(), words["PYTHON"], found)
    del found["rackstrap"]
    with tempfile.TemporaryDirectory() as folder:
        run_download(found, words, Path(folder))
        lines = []
        for wheel in sorted(Path(folder).glob("*.whl")):
            name, version, _, _ = parse_wheel_filename(wheel.name)
            lines.append(f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    (ISO / "python.lock").write_text("".join(sorted(lines)), encoding="utf-8")


if __name__ == "__main__":
    main()
