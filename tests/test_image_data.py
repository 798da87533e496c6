"""The image's data: lists, units, scripts, and the initramfs's functions under busybox."""

from __future__ import annotations

import hashlib
import http.server
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.busybox_root import make_root, run_inside

ROOT: Final = Path(__file__).parent.parent
ISO: Final = ROOT / "iso"
FUNCTIONS: Final = ISO / "initramfs" / "functions.sh"
LISTS: Final = sorted([*ISO.glob("packages/*.list"), *ISO.glob("*.list"), ISO / "initramfs" / "modules.list"])
# The busybox of Debian 12, that the test may meet, crashes on -T; the image's own does not.
FETCH: Final = 'fetch() { wget -q -c -O "$2" "$1"; }'
CONTENT: Final = bytes(range(256)) * 4000


def run_shell(script: str, tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `script` after sourcing the initramfs's functions, in a root that has nothing but busybox, as the initramfs."""
    if not (tmp_path / "bin/busybox").exists():
        make_root(tmp_path, FUNCTIONS)
    return run_inside(tmp_path, f'. /functions.sh\nsay() {{ echo "$*"; }}\n{script}', **environment)


def ask(script: str, tmp_path: Path, **environment: str) -> str:
    done = run_shell(script, tmp_path, **environment)
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.name)
def test_lists_are_sorted_and_say_what_they_are(path: Path) -> None:
    lines = path.read_text().splitlines()
    names = [line for line in lines if not line.startswith("#")]
    assert lines[0].startswith("# ")
    assert names == sorted(set(names))
    assert all(name and " " not in name for name in names)


def test_no_package_is_named_twice() -> None:
    names = [line for path in ISO.glob("packages/*.list") for line in path.read_text().splitlines() if not line.startswith("#")]
    assert sorted(names) == sorted(set(names))


def test_scripts_pass_shellcheck() -> None:
    scripts = [
        ROOT / "build_iso.sh",
        ISO / "running.sh",
        FUNCTIONS,
        ISO / "initramfs/init",
        ISO / "initramfs/udhcpc",
        *ISO.glob("stages/*.sh"),
    ]
    done = subprocess.run(["shellcheck", *map(str, scripts)], check=False, capture_output=True, text=True)
    assert done.stdout == ""


def test_units_pass_systemd_verify() -> None:
    units = [str(path) for path in ISO.glob("overlay/etc/systemd/system/*.service")]
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], check=False, capture_output=True, text=True)
    # The programs are in the image, not on the machine that tests.
    strange = [line for line in done.stderr.splitlines() if "is not executable" not in line]
    assert units
    assert strange == []


def test_usage_names_the_one_action() -> None:
    shown = subprocess.run([ROOT / "build_iso.sh", "--help"], check=True, capture_output=True, text=True)
    refused = subprocess.run([ROOT / "build_iso.sh", "--unknown"], check=False, capture_output=True, text=True)
    assert "--image" in shown.stdout
    assert refused.returncode == 2


def test_publish_writes_the_manifest_that_the_model_reads(tmp_path: Path) -> None:
    stages = {name: tmp_path / name for name in ("base", "initrd", "admin", "layer")}
    texts = {
        "base/vmlinuz": "k",
        "base/root.squashfs": "r",
        "base/packages.lock": "p",
        "base/kernel": "6.12",
        "base/root_bytes": "7",
    }
    texts |= {"base/tftp/snponly.efi": "e", "initrd/initrd": "i", "layer/rackstrap.squashfs": "l", "layer/root_bytes": "2"}
    texts |= {"admin/admin.squashfs": "a", "admin/packages-admin.lock": "w", "admin/root_bytes": "5"}
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    out = tmp_path / "image"
    for _ in range(2):
        subprocess.run(["python3", ISO / "stages/publish.py", *stages.values(), out, "1.0"], check=True)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["root_bytes"] == 9
    assert manifest["admin_bytes"] == 5
    assert manifest["kernel"] == "6.12"
    assert manifest["sha256"]["root.squashfs"] == hashlib.sha256(b"r").hexdigest()
    assert manifest["bytes"]["tftp/snponly.efi"] == 1
    assert sorted(manifest["sha256"]) == [
        "admin.squashfs",
        "initrd",
        "packages-admin.lock",
        "packages.lock",
        "rackstrap.squashfs",
        "root.squashfs",
        "tftp/snponly.efi",
        "vmlinuz",
    ]
    subprocess.run(["sha256sum", "--check", "--quiet", "image.sha256"], cwd=out, check=True)


def test_kernel_line_is_read(tmp_path: Path) -> None:
    words = "quiet rackstrap.image=http://a/image rackstrap.sha256=1,2 rackstrap.mac=52-54-00-AA-00-01 panic=45"
    words += " BOOTIF=01-52-54-00-aa-00-02"
    script = f'parse_cmdline {words}; echo "$IMAGE $SHA256 $MAC [$ROOT] $PANIC_S"'
    assert ask(script, tmp_path) == "http://a/image 1,2 52:54:00:aa:00:01 [] 45"


def test_bootif_stands_in_for_a_missing_or_wrong_mac(tmp_path: Path) -> None:
    script = 'parse_cmdline rackstrap.mac=x/../y BOOTIF=01-52-54-00-AA-00-02 root=UUID=1; echo "$MAC $ROOT $PANIC_S"'
    assert ask(script, tmp_path) == "52:54:00:aa:00:02 UUID=1 30"


def test_every_disk_is_locked_unless_it_is_already(tmp_path: Path) -> None:
    for name, flag in (("sda", "0"), ("nvme0n1", "0"), ("sdb", "1"), ("loop0", "0"), ("sr0", "0")):
        (tmp_path / "sys/block" / name).mkdir(parents=True)
        (tmp_path / "sys/block" / name / "ro").write_text(f"{flag}\n")
    # The real program would lock this machine's own disks: only what it is asked for is looked at.
    assert ask('blockdev() { echo "$@"; }; lock_disks', tmp_path).splitlines() == ["--setro /dev/nvme0n1", "--setro /dev/sda"]


@pytest.mark.parametrize(("halves", "found"), [(0, "0 0"), (1, "1 2"), (2, "2 2")])
def test_members_of_the_array_are_counted(tmp_path: Path, halves: int, found: str) -> None:
    for name in ("sda", "sdb", "sdc")[: halves + 1]:
        (tmp_path / "sys/class/block" / name).mkdir(parents=True)
    # sda is another array's; the others answer as mdadm --examine --export does.
    script = """mdadm() {
        case $3 in /dev/sda) uuid=1:1:1:1 ;; *) uuid=a:b:c:d ;; esac
        printf 'MD_LEVEL=raid1\\nMD_DEVICES=2\\nMD_UUID=%s\\n' $uuid
    }
    find_members a:b:c:d"""
    assert ask(script, tmp_path) == found


def test_interface_is_found_by_mac_among_real_devices(tmp_path: Path) -> None:
    for name, mac, real in (("bond0", "52:54:00:aa:00:01", False), ("eth1", "52:54:00:aa:00:01", True), ("lo", "", False)):
        net = tmp_path / "sys/class/net" / name
        (net / "device" if real else net).mkdir(parents=True)
        (net / "address").write_text(f"{mac}\n")
    assert ask("find_interface 52:54:00:aa:00:01; find_interface 52:54:00:aa:00:09", tmp_path) == "eth1"


def test_too_little_memory_is_refused_with_numbers(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 800000 kB\nMemAvailable: 524288 kB\n")
    meminfo = "/meminfo"
    assert ask("check_memory 209715200", tmp_path, MEMINFO=meminfo) == ""
    refusal = "This machine has 512 MB of free memory; the image needs 600 MB."
    assert ask("check_memory 314572800", tmp_path, MEMINFO=meminfo) == refusal


def test_pauses_grow_to_half_a_minute(tmp_path: Path) -> None:
    assert ask("for try in 1 2 3 4 5 6 60; do make_pause $try; done", tmp_path).split() == ["1", "2", "4", "8", "16", "30", "30"]


def test_live_system_locks_disks_and_assembles_nothing(tmp_path: Path) -> None:
    ask("render_live 52:54:00:aa:00:01", tmp_path)
    rules = tmp_path / "run/udev/rules.d"
    assert "blockdev --setro" in (rules / "10-rackstrap-readonly.rules").read_text()
    assert (rules / "64-md-raid-assembly.rules").readlink() == Path("/dev/null")
    network = (tmp_path / "run/systemd/network/10-rackstrap-boot.network").read_text()
    assert "PermanentMACAddress=52:54:00:aa:00:01\n" in network
    assert "ClientIdentifier=mac\n" in network


class Broken(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT, but hangs up half-way through the first answer; /wrong has other bytes."""

    asked: list[str]  # the Range header of each request, or ""

    def do_GET(self) -> None:
        start = self.headers.get("Range", "")
        self.asked.append(start)
        offset = int(start.removeprefix("bytes=").removesuffix("-")) if start else 0
        body = b"other" if self.path == "/wrong" else CONTENT[offset:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {offset}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        whole = self.path == "/wrong" or len(self.asked) > 1
        self.wfile.write(body if whole else body[: len(CONTENT) // 2])

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    Broken.asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Broken) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield serving
        serving.shutdown()


def test_broken_transfer_goes_on_where_it_stopped(tmp_path: Path, server: http.server.ThreadingHTTPServer) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    shown = ask(f"{FETCH}; run_fetch http://127.0.0.1:{server.server_port}/image file {digest}", tmp_path)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert Broken.asked == ["", f"bytes={len(CONTENT) // 2}-"]
    assert "Try 2 in 1 s." in shown


def test_wrong_bytes_are_never_kept(tmp_path: Path, server: http.server.ThreadingHTTPServer) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    url = f"http://127.0.0.1:{server.server_port}/wrong"
    script = f'{FETCH}; sleep() {{ :; }}; refuse() {{ echo "$*"; exit 9; }}; run_fetch {url} file {digest}'
    done = run_shell(script, tmp_path)
    assert done.returncode == 9
    assert "The server's image has changed." in done.stdout
    assert len(Broken.asked) == 5
    assert not (tmp_path / "file").exists()
