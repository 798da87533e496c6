"""The machines of a simulated rack: recordings, and copies of them that are other machines. Pure but for loading."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from installer.engine.store import Store
from installer.model.codes import make_code
from installer.model.events import Event, Happened
from installer.model.facts import Machine
from installer.model.problems import RackstrapError
from installer.probe.identity import make_machine_id
from installer.probe.parse import parse_recording
from installer.probe.verbs import load_recording

SHORTEST: Final = 6  # a shorter serial may be a part of many other words of a recording
SMALL_SECTORS: Final = 2**24  # 8 GiB in sectors of 512 bytes
ADMIN_PORT: Final = 20
PORTS: Final = 24  # of each switch that first NICs are plugged into
LARGER: Final = 1000
MORE_MEMORY: Final = 64
Recording = dict[str, Any]


def load_rack(files: Sequence[str]) -> tuple[Recording, ...]:
    """The recordings in these files. Raises RackstrapError for one that is none, for one machine twice, and for no file."""
    found: dict[str, Recording] = {}
    for file in files:
        recording = load_recording(Path(file))
        try:
            key = make_machine_id(parse_recording(recording))
        except ValueError as error:
            raise RackstrapError(f"{file} cannot be understood: {error}", "make it again: rackstrap probe --record") from error
        if key in found:
            raise RackstrapError(f"{file} is a machine that was given already", "give each machine's recording once")
        found[key] = recording
    if not found:
        raise RackstrapError("a rehearsal needs a recorded machine", "name one that `rackstrap probe --record FILE` wrote")
    return tuple(found.values())


def make_admin(recordings: Sequence[Recording]) -> Recording:
    """The machine that stands for this one: a copy of the one with the most NICs, as no other machine of the rack."""
    most = max(recordings, key=lambda recording: len(parse_recording(recording).nics))
    return make_cabled(make_grown(make_copy(most, "admin")), ADMIN_PORT)


def make_rack(recordings: Sequence[Recording], size: int) -> tuple[Recording, ...]:
    """At least `size` machines: these, then copies of them in turn, each cabled to its own ports of two switches."""
    rack = list(recordings)
    while len(rack) < size:
        rack.append(make_copy(recordings[len(rack) % len(recordings)], f"copy {len(rack)}"))
    return tuple(make_cabled(make_grown(recording), number) for number, recording in enumerate(rack, 1))


def make_grown(recording: Recording) -> Recording:
    """The recording with disks and memory of a server's size, where it was made on a small virtual machine."""
    grown = copy.deepcopy(recording)
    attributes = [device["attributes"] for device in grown["block"]]
    if any(int(one.get("size", 0)) > SMALL_SECTORS for one in attributes):
        return grown
    for one in attributes:
        for name in {"size", "start"} & one.keys():
            one[name] = str(int(one[name]) * LARGER)
    grown["host"]["memory_blocks"] = int(grown["host"].get("memory_blocks", 0)) * MORE_MEMORY
    return grown


def make_cabled(recording: Recording, number: int) -> Recording:
    """The recording with a neighbour on every NIC that has a link: leaf1, leaf2 in turn, port 1/`number` and on."""
    names = [nic.name for nic in parse_recording(recording).nics if nic.has_link]
    interfaces = []
    for index, name in enumerate(names):
        switch, port = f"leaf{1 + index % 2}", f"1/{number + index // 2 * PORTS}"
        chassis = {"id": [{"type": "local", "value": switch}], "name": [{"value": switch}]}
        port_of = {"id": [{"type": "local", "value": port}], "descr": [{"value": port}]}
        interfaces.append({"name": name, "chassis": [chassis], "port": [port_of]})
    out = json.dumps({"lldp": [{"interface": interfaces}]})
    answer = {"argv": ["lldpctl", "-f", "json0"], "exit": 0, "out": out}
    return {**recording, "commands": {**recording["commands"], "lldp": answer}}


def make_copy(recording: Mapping[str, Any], name: str) -> Recording:
    """The same hardware as another machine: other UUID, serials, MACs and WWNs, wherever the recording mentions them."""
    machine = parse_recording(recording)
    text = json.dumps(recording)
    for word in sorted(find_marks(machine), key=len, reverse=True):
        for old, new in make_spellings(word, make_other(word, name)).items():
            text = text.replace(old, new)
    made: Recording = json.loads(text)
    return made


def find_marks(machine: Machine) -> set[str]:
    """Every word by which this machine or a part of it is known."""
    marks = {machine.uuid, machine.serial, *machine.macs, machine.bmc.mac if machine.bmc is not None else ""}
    for disk in machine.disks:
        marks |= {disk.serial, disk.wwn}
    return {mark for mark in marks if len(mark) >= SHORTEST}


def make_other(word: str, name: str) -> str:
    """A word of the same form: its last digits are others. A MAC keeps its maker's half."""
    digits = f"{int(sha256(f'{name}/{word}'.encode()).hexdigest(), 16) % 10**6:06d}"
    if word.count(":") == 5:
        return f"{word[:9]}{digits[:2]}:{digits[2:4]}:{digits[4:]}"
    return word[:-4] + digits[2:]


def make_spellings(old: str, new: str) -> dict[str, str]:
    """How udev and others write the word, as the new one: with and without colons, in both cases."""
    pairs = {old: new, old.upper(): new.upper()}
    if old.count(":") == 5:
        pairs |= {old.replace(":", ""): new.replace(":", ""), old.replace(":", "-"): new.replace(":", "-")}
    return pairs


def make_discovery(recording: Recording, store: Store, number: int, boots: int) -> Event:
    """MACHINE_DISCOVERED of this machine, its recording kept as a blob; each boot has a key of its own."""
    machine = parse_recording(copy.deepcopy(recording))
    key = sha256(f"{make_machine_id(machine)}/{boots}".encode()).hexdigest()
    data = {
        "recording": store.put_blob(json.dumps(recording).encode()),
        "code": make_code(key),
        "key": key,
        "address": f"192.168.124.{21 + number % 60}",
        "mac": machine.boot_nic or next((nic.mac for nic in machine.nics), ""),
        "boot_id": f"simulated-{boots}",
    }
    return Event(Happened.MACHINE_DISCOVERED, make_machine_id(machine), data)
