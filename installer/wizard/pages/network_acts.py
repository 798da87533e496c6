"""What keys do on the network page."""

from __future__ import annotations

from ipaddress import ip_address

from installer.model.facts import Nic
from installer.network.links import find_admin_nics
from installer.plan.describe import join_words
from installer.site.save import REMOVED
from installer.wizard.page import Action, Ask, Edited, Field, Go, Outcome, Refused, Selection, Wished
from installer.wizard.pages.network_fields import make_field_row, set_value
from installer.wizard.view import View
from installer.wizard.wishes import CheckAgain, ConfirmNetwork, RenewDhcp, SetNetwork

MODES = (
    ("active-backup", "one port works, the other stands by; any switch"),
    ("802.3ad", "LACP: both work; the switch ports must be set up for it"),
)
MOST_PORTS = 8


def make_network_actions(view: View) -> tuple[Action, ...]:
    """The keys that work here now: keeping a change and serving beside another server only where there is one."""
    actions = [
        Action("enter", "choose", choose_port, "ports", "this port faces the rack; on the one that is chosen: go on"),
        Action("b", "bond", choose_bond, "ports", "the marked ports together become a bond"),
        Action("v", "VLAN", lambda view, _: _ask(view, "vlan"), "", "tag the frames to the rack, or not"),
        Action("a", "address", lambda view, _: _ask(view, "address"), "", "type the address towards the rack"),
        Action("d", "DHCP" if _find_method(view) == "static" else "static", change_method, "", "change between static and DHCP"),
        Action("r", "renew", renew, "", "ask the DHCP server anew on the port under the cursor"),
        Action("u", "use now", use_now, "", "give this machine the address now; it goes back after 60 s unless kept"),
        Action("c", "check again", lambda *_: Wished((CheckAgain(),), "checking again"), "", "run every check now"),
    ]
    if view.here.confirm_by > view.now:
        actions.insert(0, Action("k", "keep", lambda *_: Wished((ConfirmNetwork(),)), "", "keep the changed network"))
    dhcp = view.draft.site.services.dhcp if view.draft.site is not None else ""
    if dhcp == "own" and find_other_dhcp(view):
        actions.append(Action("p", "proxy", serve_beside, "", "let the other DHCP server give addresses, add only the boot file"))
    if dhcp == "proxy":
        actions.append(Action("p", "own DHCP", serve_alone, "", "give addresses ourselves"))
    return tuple(actions)


def find_other_dhcp(view: View) -> str:
    """What the check found where another DHCP server answers; "" where none does."""
    return next((check.found for check in view.checks if check.name == "dhcp" and check.state in {"warn", "FAIL"}), "")


def find_ports(view: View, keys: tuple[str, ...]) -> tuple[Nic, ...]:
    """The NICs with these row keys, in the machine's order."""
    return tuple(nic for nic in view.here.machine.nics if (nic.mac or nic.name) in keys)


def find_chosen(view: View) -> tuple[Nic, ...]:
    """The ports that face the rack as decided."""
    site = view.draft.site
    return find_admin_nics(site, view.here.machine.nics)[0] if site is not None else ()


def choose_port(view: View, chosen: Selection) -> Outcome:
    """This one port; where it is that already, on to the next stage. Marks are for a bond alone."""
    ports = find_ports(view, (chosen.row,))
    if not ports:
        return Refused("there is no such port in this machine", "move to another and press Enter")
    if len(chosen.marked) > 1:
        return Refused(f"{len(chosen.marked)} ports are marked", "press b to make them a bond, or take the marks away")
    site = view.draft.site
    if site is not None and site.admin.nics and find_chosen(view) == ports:
        return Go("next")
    says = f"{ports[0].name} faces the rack" + ("" if ports[0].has_link else "; it has no link yet")
    return Edited(((("admin", "nics"), [ports[0].mac or ports[0].name]),), says)


def choose_bond(view: View, chosen: Selection) -> Outcome:
    """The marked ports as one bond; asks how they share the work."""
    ports = find_ports(view, chosen.marked)
    if len(ports) < 2:
        return Refused("a bond takes two ports or more", "mark them with Space, then press b")
    if len(ports) > MOST_PORTS:
        return Refused(f"a bond takes at most {MOST_PORTS} ports", "take some marks away")
    edits = (("admin", "nics"), [nic.mac or nic.name for nic in ports])
    names = join_words(nic.name for nic in ports)

    def bond(_: View, answer: Selection) -> Outcome:
        if answer.text not in dict(MODES):
            return Refused(f"{answer.text[:20]!r} is no way to bond", "choose active-backup or 802.3ad")
        return Edited((edits, (("admin", "bond_mode"), answer.text)), f"{names} face the rack as a bond")

    field = Field("bond_mode", "How they share the work", "choice", "", MODES, start="active-backup")
    return Ask(field, bond, (f"{names} become one bond: with one of them down, the other goes on.",))


def _ask(view: View, name: str) -> Outcome:
    return Ask(make_field_row(view, name).field, lambda view, answer: set_value(view, name, answer.text))


def _find_method(view: View) -> str:
    return view.draft.site.admin.method if view.draft.site is not None else "static"


def change_method(view: View, _: Selection) -> Outcome:
    """Static to DHCP and back. What a server gave within the admin network already becomes the address."""
    if _find_method(view) == "dhcp":
        return Edited(((("admin", "method"), "static"),), "the address is set, and no DHCP server is asked")
    edits: list[tuple[tuple[str | int, ...], object]] = [(("admin", "method"), "dhcp")]
    given = _find_given(view)
    if given:
        edits.append((("admin", "address"), given))
    return Edited(tuple(edits), "the address comes by DHCP; the server has to give this one always: a reservation")


def _find_given(view: View) -> str:
    """The address within the admin network that a chosen port has by DHCP now."""
    site = view.draft.site
    if site is None:
        return ""
    subnet = site.network("admin").subnet
    nics = [nic for nic in find_chosen(view) if view.here.methods.get(nic.name) == "dhcp"]
    texts = [cidr.partition("/")[0] for nic in nics for cidr in nic.addresses]
    return next((text for text in texts if ip_address(text) in subnet), "")


def renew(view: View, chosen: Selection) -> Outcome:
    """On the port under the cursor, else on the one that is decided."""
    ports = find_ports(view, (chosen.row,)) or find_chosen(view)
    if not ports:
        return Refused("no port is chosen", "move to the one whose address is to be renewed")
    nic = ports[0]
    if view.here.methods.get(nic.name) == "static":
        return Refused(f"the address of {nic.name} is static: there is nothing to renew", "press d, then u, to ask a DHCP server")
    return Wished((RenewDhcp(nic.name),))


def use_now(view: View, _: Selection) -> Outcome:
    """Give this machine the decided network; without a person's word it goes back."""
    site = view.draft.site
    if site is None:
        return Refused("the site file has an error, so there is no address to set", "correct it first: see Site")
    if not find_chosen(view):
        return Refused("no port is chosen", "move to the one that faces the rack and press Enter")
    return Wished((SetNetwork(),))


def serve_beside(_: View, __: Selection) -> Outcome:
    return Edited(((("services", "dhcp"), "proxy"),), "the other server gives addresses, Rackstrap only the boot file")


def serve_alone(_: View, __: Selection) -> Outcome:
    return Edited(((("services", "dhcp"), REMOVED),), "Rackstrap gives addresses itself")
