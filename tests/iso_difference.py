"""What differs between two ISOs: which file, and inside a squashfs or an initrd which file of that."""

from __future__ import annotations

import difflib
import filecmp
import os
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from installer.medium.index import Index, load_extent, load_index

MOST_LINES = 40  # of one part


def find_differences(one: Path, two: Path) -> list[str]:
    """Lines for a person, none when the files are equal."""
    if filecmp.cmp(one, two, shallow=False):
        return []
    first, second = load_index(one), load_index(two)
    lines = [f"{name} is in one of them only" for name in sorted(first.files.keys() ^ second.files.keys())]
    for name in sorted(first.files.keys() & second.files.keys()):
        lines += explain_file(name, first, second)
    moved = [name for name in first.files if name in second.files and first.files[name] != second.files[name]]
    lines += [f"{len(moved)} files lie elsewhere: {', '.join(sorted(moved)[:5])} …"] if moved else []
    return lines or [f"no file differs, but what is around them does, first at byte {find_offset(one, two)}"]


def explain_file(name: str, one: Index, two: Index) -> list[str]:
    """What differs in one file of the ISOs."""
    with tempfile.TemporaryDirectory(dir=one.path.parent) as folder:
        first, second = Path(folder, "one"), Path(folder, "two")
        for copy, index in ((first, one), (second, two)):
            copy.write_bytes(load_extent(index.path, index.extent(name), index.size))
        if filecmp.cmp(first, second, shallow=False):
            return []
        if name.endswith(".squashfs"):
            found = explain_trees(first, second, unpack_squashfs)
        elif name.endswith("/initrd"):
            found = explain_trees(first, second, unpack_initrd)
        elif name.endswith((".json", ".cfg", ".lock", ".sha256", "/info", "/rackstrap")):
            before, after = (copy.read_text(errors="replace").splitlines() for copy in (first, second))
            found = [line for line in difflib.unified_diff(before, after, lineterm="", n=0) if line[:3] not in ("---", "+++")]
        else:
            found = [f"first at byte {find_offset(first, second)}"]
    return [f"{name}: {line}" for line in found[:MOST_LINES]] + ([f"{name}: and more"] if len(found) > MOST_LINES else [])


def find_offset(one: Path, two: Path) -> int:
    """The first byte that differs, from 0; the shorter one's size when it is the longer one's beginning."""
    with one.open("rb") as first, two.open("rb") as second:
        at = 0
        while (block := first.read(1 << 20)) == (other := second.read(1 << 20)) and block:
            at += len(block)
    return at + next((n for n, (a, b) in enumerate(zip(block, other, strict=False)) if a != b), min(len(block), len(other)))


def unpack_squashfs(file: Path, into: Path) -> None:
    subprocess.run(["unsquashfs", "-quiet", "-no-progress", "-d", str(into), str(file)], check=True, stdout=subprocess.DEVNULL)


def unpack_initrd(file: Path, into: Path) -> None:
    into.mkdir()
    with subprocess.Popen(["zstd", "-dcq", str(file)], stdout=subprocess.PIPE) as unpacked:
        subprocess.run(["cpio", "-idmu", "--quiet"], cwd=into, stdin=unpacked.stdout, check=True)


def explain_trees(one: Path, two: Path, unpack: Callable[[Path, Path], None]) -> list[str]:
    """What differs between the files that are packed in these two."""
    trees = [file.with_name(f"{file.name}.tree") for file in (one, two)]
    for file, tree in zip((one, two), trees, strict=True):
        unpack(file, tree)
    rows = [dict(describe_tree(tree)) for tree in trees]
    lines = [f"{name} is in one of them only" for name in sorted(rows[0].keys() ^ rows[1].keys())]
    for name in sorted(rows[0].keys() & rows[1].keys()):
        before, after = rows[0][name], rows[1][name]
        lines += [f"{name}: {word} {before[word]} and {after[word]}" for word in before if before[word] != after[word]]
        files = (trees[0] / name, trees[1] / name)
        if all(stat.S_ISREG(file.lstat().st_mode) for file in files) and not filecmp.cmp(files[0], files[1], shallow=False):
            lines.append(f"{name}: content, first at byte {find_offset(files[0], files[1])}")
    return lines or [f"the same files packed otherwise, first at byte {find_offset(one, two)}"]


def describe_tree(tree: Path) -> Iterator[tuple[str, dict[str, object]]]:
    """Each path below, with all but its content."""
    for folder, folders, files in os.walk(tree):
        for path in (Path(folder, name) for name in ("", *(n for n in folders if Path(folder, n).is_symlink()), *files)):
            status = path.lstat()
            yield (
                str(path.relative_to(tree)),
                {
                    "mode": oct(status.st_mode),
                    "owner": f"{status.st_uid}:{status.st_gid}",
                    "size": status.st_size if stat.S_ISREG(status.st_mode) else 0,
                    "time": int(status.st_mtime),
                    "device": status.st_rdev,
                    "link": str(path.readlink()) if path.is_symlink() else "",
                    "links": status.st_nlink if stat.S_ISREG(status.st_mode) else 0,
                    "attributes": {
                        name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)
                    },
                },
            )
