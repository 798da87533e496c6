"""What a site file means where it says nothing, spelled as one would write it: to be shown, and written out before a change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from installer.model.site import Network, Range, Value
from installer.site.core_schema import make_plain
from installer.site.defaults import CONDUITS, NETWORKS
from installer.site.explain import find_model
from installer.site.load import LoadedSite
from installer.site.save import Edit, Removed
from installer.site.tree import Document, Path

Spelled = dict[str, Value]


def find_written(document: Document, path: Path) -> tuple[bool, Value]:
    """Whether the file has a value at this key path, and which. Numbers spelled in an unusual way (0123) come as text."""
    here: Any = document.data
    for part in path:
        match here:
            case dict() if part in here:
                here = here[part]
            case list() if isinstance(part, int) and 0 <= part < len(here):
                here = here[part]
            case _:
                return False, None
    return here is not None, _spell(here)


def _spell(value: Any) -> Value:
    if isinstance(value, dict):
        return {str(key): _spell(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_spell(inner) for inner in value]
    written = getattr(value, "written", "")
    plain: Value = make_plain(value)
    return written if written and written != str(plain) else plain


def find_default(loaded: LoadedSite, path: Path) -> Value:
    """The value in force at a key path where the file has none; None where there is no default."""
    spelled: dict[str, Spelled] = {}
    if path[:1] == ("networks",):
        spelled = spell_all_networks(loaded)
    elif path[:1] == ("conduits",):
        spelled = spell_all_conduits(loaded)
    if spelled:
        here: Any = spelled
        for part in path[1:]:
            here = here.get(part) if isinstance(here, dict) else None
        if here is not None:
            return make_plain(here)  # type: ignore[no-any-return]
    return _find_model_default(path)


def _find_model_default(path: Path) -> Value:
    model = find_model(path[:-1]) if path else None
    info = model.model_fields.get(str(path[-1])) if model else None
    if info is None or info.is_required():
        return None
    default = info.get_default(call_default_factory=False)
    return default.model_dump(mode="json") if isinstance(default, BaseModel) else default


def spell_all_networks(loaded: LoadedSite) -> dict[str, Spelled]:
    """Every network in force by name, with all that it has; the white paper's where the file names none."""
    if loaded.site is not None:
        return {network.name: spell_network(network) for network in loaded.site.networks}
    is_written, _ = find_written(loaded.document, ("networks",))
    return {} if is_written else {name: _spell_default(name) for name in NETWORKS}


def spell_all_conduits(loaded: LoadedSite) -> dict[str, Spelled]:
    """Every conduit in force by name."""
    if loaded.site is None:
        return {name: {"nics": list(nics)} for name, nics in CONDUITS.items()}
    return {c.name: {"nics": list(c.nics), "bond_mode": c.bond_mode} for c in loaded.site.conduits}


def spell_network(network: Network) -> Spelled:
    """As it would be written out, ranges short where the subnet is a /24 or smaller: they then follow a changed subnet."""
    spelled: Spelled = {"subnet": str(network.subnet), "conduit": network.conduit}
    if network.vlan is not None:
        spelled["vlan"] = network.vlan
    if network.router is not None:
        spelled["router"] = str(network.router)
    spelled["ranges"] = {given.name: spell_range(given, network) for given in network.ranges}
    if network.mtu != 1500:
        spelled["mtu"] = network.mtu
    return spelled


def spell_range(given: Range, network: Network) -> str:
    """`.21-.80` in an IPv4 /24 or smaller, else both addresses; one address alone where both ends are the same."""
    ends = [str(given.first), str(given.last)]
    if network.subnet.version == 4 and network.subnet.prefixlen >= 24 and {given.first, given.last} <= set(_ends(given, network)):
        ends = [f".{end.rpartition('.')[2]}" for end in ends]
    return ends[0] if given.first == given.last else "-".join(ends)


def _ends(given: Range, network: Network) -> list[object]:
    return [end for end in (given.first, given.last) if end in network.subnet]


def _spell_default(name: str) -> Spelled:
    default = NETWORKS[name]
    spelled: Spelled = {"subnet": default.subnet, "conduit": default.conduit}
    if default.vlan is not None:
        spelled["vlan"] = default.vlan
    if default.router is not None:
        spelled["router"] = default.router
    return {**spelled, "ranges": dict(default.ranges)}


def spell_networks(loaded: LoadedSite, edits: Mapping[Path, Edit]) -> dict[Path, Edit]:
    """These edits, after those that write out what a touched network or conduit has by default.

    Without them, naming one network would drop the white paper's others, and giving one key would drop its other defaults.
    """
    first: dict[Path, Edit] = {}
    networks = {path[1] for path in edits if path[:1] == ("networks",) and len(path) > 1}
    if networks:
        is_written, _ = find_written(loaded.document, ("networks",))
        for name, spelled in spell_all_networks(loaded).items():
            if not is_written:
                first[("networks", name)] = dict(spelled)
            elif name in networks and not _is_whole(("networks", name), edits):
                first |= _fill(loaded, ("networks", name), spelled)
    conduits = {path[1] for path in edits if path[:1] == ("conduits",) and len(path) > 2}
    for name, spelled in spell_all_conduits(loaded).items() if conduits else ():
        if name in conduits:
            first |= _fill(loaded, ("conduits", name), spelled)
    return {**first, **edits}


def _is_whole(path: Path, edits: Mapping[Path, Edit]) -> bool:
    return path in edits or any(isinstance(edits.get(path[:n]), Removed) for n in range(1, len(path)))


def _fill(loaded: LoadedSite, path: Path, spelled: Spelled) -> dict[Path, Edit]:
    return {(*path, key): value for key, value in spelled.items() if not find_written(loaded.document, (*path, key))[0]}
