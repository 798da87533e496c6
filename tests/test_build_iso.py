"""The ISO's build: its options and refusals, the boot menu that it writes, what it does without a network, and its manifest."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parent.parent
STAGES: Final = ROOT / "iso/stages"
MEDIUM: Final = "0123456789abcdef"
KEY: Final = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAFroTJnxFXeOCx6F/r5Loyq6sLLCI/SWhHafajcd5fa operator@desk"
HOSTILE_LINES: Final = (
    "ttyS4,115200",
    "ttyS0",
    "ttyS0,",
    "ttyS0,0",
    "ttyS0,115200 init=/bin/sh",
    "ttyS0,115200\nlinux /evil",
    "ttyS0,115200;reboot",
    "ttyS0,115200/e;s/x/y",
    "$(reboot),9600",
    "hvc0,115200",
)


def run(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the build with these variables only, beside PATH."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", **environment}
    return subprocess.run(list(map(str, words)), env=environment, check=False, capture_output=True, text=True, timeout=60)


def make_menu(serial: str = "ttyS0,115200") -> str:
    """The menu as the build puts it on the medium."""
    done = run(STAGES / "menu.sh", ROOT / "iso/boot/grub.cfg", ID=MEDIUM, SERIAL=serial)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_help_names_every_option() -> None:
    done = run(ROOT / "build_iso.sh", "--help")
    assert done.returncode == 0
    for option in ("--image", "--out", "--site", "--serial", "--offline", "--version"):
        assert option in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--frobnicate",), "there is no option '--frobnicate'"),
        (("--out",), "--out needs a value"),
        (("--serial", ""), "--serial needs a value"),
        (("--version", "1 init=/bin/sh"), "is no version"),
        (("--version", "-x"), "is no version"),
        (("--serial", "--offline"), "--serial needs a value"),
        (("--site", "/nowhere/site.yaml"), "there is no site file /nowhere/site.yaml"),
        (("--image", "--site", "/etc/hostname"), "--site goes with an ISO"),
    ],
)
def test_wrong_options_are_refused_with_a_remedy(words: tuple[str, ...], message: str) -> None:
    done = run(ROOT / "build_iso.sh", *words)
    assert done.returncode == 2
    assert done.stdout == ""
    said, remedy = done.stderr.splitlines()
    assert said.startswith("build_iso.sh: ")
    assert message in said
    assert remedy.startswith("  ")


@pytest.mark.parametrize("line", HOSTILE_LINES)
def test_only_a_serial_line_is_a_serial_line(line: str) -> None:
    done = run(ROOT / "build_iso.sh", "--serial", line)
    assert done.returncode == 2
    assert "write ttyS0 to ttyS3, a comma, and 9600" in done.stderr


def test_missing_tools_are_named_with_the_command_that_installs_them(tmp_path: Path) -> None:
    for name in ("bash", "dirname", "realpath", "python3", "zstd", "git", "id"):
        (tmp_path / name).symlink_to(Path("/usr/bin") / name)
    done = run("/bin/bash", ROOT / "build_iso.sh", PATH=str(tmp_path))
    assert done.returncode == 2
    # The others are found in /usr/sbin, which the PATH of a user who became root may lack.
    missing = "mawk cpio dpkg util-linux mtools squashfs-tools mmdebstrap xorriso xz-utils"
    assert done.stderr.splitlines() == [
        f"build_iso.sh: these packages are missing: {missing}",
        f"  apt-get install {missing}",
    ]


def test_wrong_site_file_is_told_before_anything_is_built(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("rackstrap: 1\nname: lab\ncolour: blue\n")
    done = run(ROOT / "build_iso.sh", "--site", site, "--out", tmp_path / "out.iso")
    assert done.returncode == 1
    assert "colour" in done.stderr
    assert list(tmp_path.iterdir()) == [site]


def test_what_a_site_file_names_is_looked_at_before_anything_is_built(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    good = "rackstrap: 1\nname: lab\ndomain: lab.example\nadmin: {address: 192.168.124.10}\n"
    good += f"access: {{ssh_keys: [{KEY}]}}\ndiscovery: {{credentials: bmc.csv}}\n"
    check = (sys.executable, STAGES / "site.py", site)
    for csv, ending, code, told in (
        ("ABC,192.168.124.162,root,word\n", "", 0, ""),
        ("ABC,192.168.124.162,root,gone\n", "", 1, "bmc.csv:2:1: cannot read the password file"),
        ("ABC,192.168.124.162,root,word\n", f"# {'x' * ((1 << 20) - 500)}\n", 2, "the ISO has room for"),
    ):
        site.write_text(good + ending)
        (tmp_path / "bmc.csv").write_text(f"serial,address,user,secret\n{csv}")
        (tmp_path / "word").write_text("secret\n")
        (tmp_path / "word").chmod(0o600)
        done = run(*check, PYTHONPATH=str(ROOT))
        assert (done.returncode, told in done.stdout) == (code, True), done.stdout + done.stderr
        assert done.stderr == ""


@pytest.mark.parametrize(("line", "unit"), [("ttyS0,115200", "0"), ("ttyS1,9600", "1"), ("ttyS3,57600", "3")])
def test_serial_line_reaches_menu_kernel_and_memory_test(line: str, unit: str) -> None:
    menu = make_menu(line)
    device, speed = line.split(",")
    assert f"serial --unit={unit} --speed={speed} " in menu
    assert f"console=tty0 console={device},{speed}n8 " in menu
    assert menu.count(f"console={device},{speed}\n") == 2  # the memory test for BIOS and for UEFI
    assert not re.search(r"@[A-Z]+@", menu)


def test_menu_is_a_script_that_grub_reads(tmp_path: Path) -> None:
    path = tmp_path / "grub.cfg"
    path.write_text(make_menu())
    done = run("grub-script-check", path)
    assert (done.returncode, done.stderr) == (0, "")


def test_menu_waits_then_asks_and_only_a_customised_medium_does_otherwise() -> None:
    menu = make_menu()
    entries = re.findall(r'menuentry "([^"]+)" --id (\w+)', menu)
    assert [identity for _, identity in entries] == ["disk", "install", "unattended", "live", "local", "memtest", "memtest"]
    assert re.findall(r"set rackstrap_default=(\S+)", menu) == ["install"]
    assert re.findall(r"set timeout=(\S+)", menu) == ["5"]
    # What customizing writes is read after the defaults, and before they are used.
    order = [menu.index(word) for word in ("rackstrap_default=install", "source ($medium)", "default=$rackstrap_default")]
    assert order == sorted(order)


def test_every_kernel_is_told_its_medium_and_its_mode() -> None:
    menu = make_menu()
    kernels = re.findall(r"linux /rackstrap/vmlinuz (.+)", menu)
    # The site file's place is for the unattended entry alone: else the others would start headless too.
    assert kernels == [
        f"rackstrap.boot={mode} $common $rackstrap_words{' $rackstrap_site' * (mode == 'unattended')}"
        for mode in ("install", "unattended", "live")
    ]
    assert f'set common="rackstrap.medium={MEDIUM} ' in menu


def test_menu_writes_nothing() -> None:
    words = set(re.findall(r"[\w-]+", make_menu()))
    assert not words & {"save_env", "hdparm", "parttool", "write_byte", "write_word", "write_dword", "gptsync", "setpci"}


def test_offline_build_names_what_the_cache_lacks(tmp_path: Path) -> None:
    lists, debs = tmp_path / "lists", tmp_path / "debs"
    lists.mkdir()
    debs.mkdir()
    nothing = run(STAGES / "offline.sh", lists, debs)
    assert nothing.returncode == 1
    assert "Build once without --offline" in nothing.stderr
    (debs / "apt_1%3a3.0_amd64.deb").write_bytes(b"apt")
    (debs / "sed_4.9_amd64.deb").write_bytes(b"damaged")
    digest = hashlib.sha256(b"apt").hexdigest()
    (lists / "packages.lock").write_text(f"apt 1:3.0 {digest}\ncurl 8.1 {digest}\nsed 4.9 {digest}\n")
    some = run(STAGES / "offline.sh", lists, debs)
    assert some.returncode == 1
    assert re.findall(r"^  (\w+ [\d.]+)$", some.stderr, re.MULTILINE) == ["curl 8.1", "sed 4.9"]
    (lists / "packages.lock").write_text(f"apt 1:3.0 {digest}\n")
    assert run(STAGES / "offline.sh", lists, debs).returncode == 0


def test_indexes_and_their_lock_are_kept_together(tmp_path: Path) -> None:
    fresh, lists = tmp_path / "fresh", tmp_path / "lists/base"
    (fresh / "partial").mkdir(parents=True)
    for name in ("mirror_InRelease", "packages.lock", "lock"):
        (fresh / name).write_text("" if name == "lock" else "stale" if name == "packages.lock" else "signed")
    (tmp_path / "now.lock").write_text("apt 3.0 aa\n")
    for _ in range(2):
        assert run(STAGES / "keep_lists.sh", fresh, tmp_path / "now.lock", lists).returncode == 0
        assert {path.name: path.read_text() for path in lists.iterdir()} == {
            "mirror_InRelease": "signed",
            "packages.lock": "apt 3.0 aa\n",
        }
        assert [path.name for path in lists.parent.iterdir()] == ["base"]
    (tmp_path / "now.lock").unlink()
    assert run(STAGES / "keep_lists.sh", fresh, tmp_path / "now.lock", lists).returncode == 1
    assert (lists / "packages.lock").read_text() == "apt 3.0 aa\n"


def test_offline_build_names_missing_wheels(tmp_path: Path) -> None:
    done = run(STAGES / "wheels.sh", tmp_path / "wheels", tmp_path / "target", RACKSTRAP_OFFLINE="1")
    assert done.returncode == 1
    pins = [line.split()[0] for line in (ROOT / "iso/python.lock").read_text().splitlines()]
    assert re.findall(r"^  (\S+==\S+)$", done.stderr, re.MULTILINE) == pins
    assert not (tmp_path / "target").exists()


def test_wheel_lock_has_every_dependency_that_debian_does_not_bring() -> None:
    lines = (ROOT / "iso/python.lock").read_text().splitlines()
    locked = {line.split("==")[0] for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}
    assert wanted - locked == {"jinja2", "netifaces", "pyudev"}
    assert lines == sorted(lines)
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+ --hash=sha256:[0-9a-f]{64}", line) for line in lines)


def test_manifest_tells_packages_wheels_and_files(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"kernel").hexdigest()
    files = {
        "root/.disk/info": "Rackstrap 1\n",
        "root/boot/grub/eltorito.img": "patched later",
        "root/boot/grub/site.cfg": "\n",
        "root/rackstrap/site.tar": "empty",
        "image/vmlinuz": "kernel",
        "image/manifest.json": json.dumps({"kernel": "6.12", "sha256": {"vmlinuz": digest}}),
        "image/packages.lock": "apt 3.0 aa\n",
        "image/packages-admin.lock": "tmux 3.5 bb\n",
        "iso/python.lock": "textual==8.2 --hash=sha256:cc\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    done = run("python3", STAGES / "manifest.py", *(tmp_path / name for name in ("root", "image", "iso")), MEDIUM, "1.0")
    manifest = json.loads(done.stdout)
    assert [(row["name"], row["layer"]) for row in manifest["packages"]] == [("apt", "root"), ("tmux", "admin")]
    assert manifest["wheels"] == [{"name": "textual", "version": "8.2", "sha256": "cc"}]
    assert manifest["files"]["/rackstrap/vmlinuz"] == {"bytes": 6, "sha256": digest}
    assert manifest["files"]["/.disk/info"]["sha256"] == hashlib.sha256(b"Rackstrap 1\n").hexdigest()
    # These differ in every customised ISO, or are not as they were put in.
    assert not {"/boot/grub/eltorito.img", "/boot/grub/site.cfg", "/rackstrap/site.tar"} & manifest["files"].keys()
    assert (manifest["id"], manifest["version"], manifest["kernel"]) == (MEDIUM, "1.0", "6.12")


def test_equal_folders_pack_to_equal_files(tmp_path: Path) -> None:
    packed = []
    for name, order in (("one", "ab"), ("two", "ba")):
        folder = tmp_path / name / "tree"
        folder.mkdir(parents=True)
        for letter in order:
            (folder / letter).write_text(letter * 5000)
        done = run(
            STAGES / "pack.sh", folder, tmp_path / name / "it.squashfs", "1", SOURCE_DATE_EPOCH="1788220800", TZ=f"{name}-5"
        )
        assert (done.returncode, done.stderr) == (0, "")
        packed.append((tmp_path / name / "it.squashfs").read_bytes())
        assert (tmp_path / name / "root_bytes").read_text() == f"{(1 + 2 + 2) * 4096}\n"
    assert packed[0] == packed[1]
