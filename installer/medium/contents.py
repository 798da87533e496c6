"""What can be changed in a built ISO, read and held against what Rackstrap writes there."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from installer.medium.area import AREA_BYTES, parse_site_area
from installer.medium.index import Extent, Index, load_extent
from installer.medium.words import CONFIG_BYTES, BootConfig, parse_boot_config
from installer.model.problems import RackstrapError

SITE_PATH: Final = "/rackstrap/site.tar"
CONFIG_PATH: Final = "/boot/grub/site.cfg"
ID_PATH: Final = "/.disk/rackstrap"
_ID: Final = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Contents:
    """`files`: the site file and what it names, none before one was put in. `id`: the medium's, 16 hex digits."""

    id: str
    config: BootConfig
    site_extent: Extent
    config_extent: Extent
    files: dict[str, bytes] = field(repr=False)


def load_contents(index: Index) -> Contents:
    """Raises RackstrapError when this is not Rackstrap's admin ISO, or holds what Rackstrap did not write there."""
    medium = load_id(index)
    site, config = index.extent(SITE_PATH), index.extent(CONFIG_PATH)
    for name, extent, size in ((SITE_PATH, site, AREA_BYTES), (CONFIG_PATH, config, CONFIG_BYTES)):
        if extent.size != size:
            raise RackstrapError(f"{name} in {index.path} has {extent.size} bytes, not {size}", "name an ISO of this release")
    files = parse_site_area(load_extent(index.path, site, AREA_BYTES))
    return Contents(medium, parse_boot_config(load_extent(index.path, config, CONFIG_BYTES)), site, config, files)


def load_id(index: Index) -> str:
    """The medium's id, which its boot loader and its kernel line look for."""
    text = load_extent(index.path, index.extent(ID_PATH), 64).decode("ascii", "replace").strip()
    if not _ID.fullmatch(text) or f"{ID_PATH}-{text}" not in index.files:
        raise RackstrapError(f"{index.path} does not say which Rackstrap ISO it is", "build the ISO again")
    return text
