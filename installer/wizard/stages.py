"""The wizard's stages in order, and every page by its name. A stage added here appears in TUI and plain mode alike."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from installer.site.document import SiteDocument
from installer.wizard.page import Page
from installer.wizard.view import View

PageMaker = Callable[[View, str], Page]


@dataclass(frozen=True, slots=True)
class Stage:
    """`name` is its page's. `sections`: key paths' first parts in the site file that it asks for; none: it is always shown."""

    name: str
    sections: tuple[str, ...] = ()


# Whatever has no page of its own alone, a section that is added later among it, is asked for on the site's page.
SITE: Final = tuple(name for name in SiteDocument.model_fields if name not in {"rackstrap", "interactive", "nodes"})

STAGES: Final = (
    Stage("welcome"),
    Stage("network", ("admin",)),
    Stage("disks", ("admin",)),
    Stage("site", SITE),
    Stage("nodes", ("discovery", "nodes")),
    Stage("roles", ("roles", "nodes")),
    Stage("review"),
    Stage("deploy"),
    Stage("done"),
)

# The dashboard: all that is shown before anyone has logged in.
LOOKED_AT: Final = ("deploy", "done")

# Every page: its name, and the module and function that make it. Subjects: machine id, section path joined by dots, file path.
PAGES: Final[dict[str, str]] = {
    "welcome": "installer.wizard.pages.welcome:make_welcome_page",
    "network": "installer.wizard.pages.network:make_network_page",
    "disks": "installer.wizard.pages.disks:make_disks_page",
    "disk": "installer.wizard.pages.disks:make_disk_page",
    "own": "installer.wizard.pages.own:make_own_page",
    "site": "installer.wizard.pages.site:make_site_page",
    "section": "installer.wizard.pages.section:make_section_page",
    "nodes": "installer.wizard.pages.nodes:make_nodes_page",
    "machine": "installer.wizard.pages.machine:make_machine_page",
    "rules": "installer.wizard.pages.rules:make_rules_page",
    "roles": "installer.wizard.pages.roles:make_roles_page",
    "review": "installer.wizard.pages.review:make_review_page",
    "node": "installer.wizard.pages.review:make_node_page",
    "files": "installer.wizard.pages.files:make_files_page",
    "file": "installer.wizard.pages.files:make_file_page",
    "changes": "installer.wizard.pages.files:make_changes_page",
    "deploy": "installer.wizard.pages.deploy:make_deploy_page",
    "log": "installer.wizard.pages.deploy:make_log_page",
    "done": "installer.wizard.pages.done:make_done_page",
    "events": "installer.wizard.pages.done:make_events_page",
    "rack": "installer.wizard.pages.rack:make_rack_page",
    "device": "installer.wizard.pages.rack:make_device_page",
}


def find_page_maker(name: str) -> PageMaker:
    """The function that makes this page. Raises KeyError for a name that is none."""
    module, _, function = PAGES[name].partition(":")
    maker: PageMaker = getattr(importlib.import_module(module), function)
    return maker
