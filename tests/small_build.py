"""A repository with the real build_iso.sh and stages of a few lines: its order, its cache and its end are seen in seconds."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
# What the stages of this repository do not use; the real ones would be needed to build an ISO.
_TOOLS: Final = ("mmdebstrap", "mksquashfs", "zstd", "cpio", "xz", "depmod", "xorriso", "mcopy", "mkfs.vfat")
_FOLDERS: Final = ("packages", "base", "initramfs", "live", "medium", "overlay", "boot", "stages")
_FILES: Final = (
    *("base-masked.list", "packages-admin.list", "admin-masked.list", "live-masked.list", "live-rules.list", "medium-kept.list"),
    *("packages/base.list", "python.conf", "python.lock", "python-trim.list"),
    *(f"stages/{name}.sh" for name in ("clean", "keep_lists", "lock", "menu", "offline", "pack", "tftp", "wheels")),
    *("stages/manifest.py", "stages/publish.py"),
)
_STAGES: Final = ("base", "admin", "initrd", "layer", "iso")
# A stage says which it is and by which process, waits where it shall, and leaves its result in its last argument.
_STAGE: Final = """\
#!/bin/bash
set -e
echo "$0 works in ${@: -1}" >&2
[ ! -e "$HALT/${0##*/}" ] || { sleep 600 & wait; }
[ ! -e "$BREAK/${0##*/}" ] || false
echo whole >"${@: -1}/result"
cp "${@: -1}/result" "${@: -1}/rackstrap.iso"
echo '{}' >"${@: -1}/rackstrap.iso.manifest.json"
"""


class SmallBuild:
    """`top`: the repository. A file named as a stage (base.sh) in `halt` makes it wait, one in `broken` makes it fail."""

    def __init__(self, folder: Path) -> None:
        self.top, self.halt, self.broken = folder / "top", folder / "halt", folder / "broken"
        self.out = self.top / "build/rackstrap.iso"
        for path in (
            self.halt,
            self.broken,
            folder / "tools",
            self.top / ".venv/bin",
            *(self.top / f"iso/{name}" for name in _FOLDERS),
        ):
            path.mkdir(parents=True)
        for name in _FILES:
            (self.top / "iso" / name).write_text("")
        for path in (*(folder / "tools" / name for name in _TOOLS), self.top / ".venv/bin/python"):
            path.write_text("#!/bin/sh\n")
            path.chmod(0o755)
        for name in _STAGES:
            (self.top / f"iso/stages/{name}.sh").write_text(_STAGE)
            (self.top / f"iso/stages/{name}.sh").chmod(0o755)
        for name in ("installer", "screens"):
            (self.top / name).mkdir()
            (self.top / name / "__init__.py").write_text('__version__ = "1.0"\n')
        for name in ("build_iso.sh", "iso/running.sh", "iso/tools.conf"):
            shutil.copy(ROOT / name, self.top / name)
        for words in (("init", "-q"), ("add", "build_iso.sh", "installer", "screens")):
            subprocess.run(["git", "-C", str(self.top), *words], check=True)
        self._path = f"{os.environ['PATH']}:{folder / 'tools'}"

    def start(self, *words: str) -> subprocess.Popen[str]:
        """A build of its own process group, as a shell would start it."""
        environment = {"PATH": self._path, "HALT": str(self.halt), "BREAK": str(self.broken), "HOME": "/nonexistent"}
        command = [str(self.top / "build_iso.sh"), "--out", str(self.out), *words]
        return subprocess.Popen(
            command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )

    def run(self, *words: str) -> tuple[int, str]:
        """Exit code, and what was said on stderr."""
        build = self.start(*words)
        _, said = build.communicate(timeout=60)
        return build.returncode, said

    def find_processes(self) -> list[str]:
        """Command lines of all that runs for this repository."""
        return [line for line in _load_command_lines() if str(self.top) in line]

    def list_cache(self) -> list[str]:
        """The stages in the cache, without their keys: base, admin.partial."""
        paths = sorted(path.name for path in (self.top / "build/cache").glob("*-*"))
        return [name.split("-")[0] + (".partial" if name.endswith(".partial") else "") for name in paths]


def _load_command_lines() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_text("utf-8", "replace").replace("\0", " ")
        except OSError:
            continue
