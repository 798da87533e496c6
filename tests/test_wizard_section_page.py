"""The sections' pages: where values come from, what typing does, and what lies in a network or a list."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from installer.site.password import make_password_hash
from installer.wizard.draft import edit_draft, find_value, make_new_draft
from installer.wizard.entries import make_key_cells
from installer.wizard.erase import choose_erase
from installer.wizard.page import Ask, Edited, Go, Refused, Selection, Told, Wished
from installer.wizard.pages.section import make_section_page
from installer.wizard.pages.site import make_site_page
from installer.wizard.section_fields import Leaf
from installer.wizard.sections import find_sections
from installer.wizard.wishes import SetPassword
from tests.page_parts import find_fields, find_table, take_edit
from tests.site_pages import find_network, find_refusal, find_shown, press, type_value, view_of
from tests.wizard_events import ROLES
from tests.wizard_views import SITE

KEY: Final = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0Yb3nJ8bQmVQ0z1m0mZk5cN9bXo8yq3lHq4v8wWc1x second@desk"


def test_every_value_shows_where_it_came_from() -> None:
    view = take_edit(view_of(), type_value(view_of(), "services", "services.ntp", "0.pool.ntp.org, 192.0.2.7"))
    assert find_shown(make_section_page(view, "services")) == {
        "services.dhcp": ("own", "default"),
        "services.dns_forwarders": ("-", "default"),
        "services.ntp": ("0.pool.ntp.org, 192.0.2.7", "typed"),
    }
    here = view_of().here.machine
    nic = replace(here.nics[0], addresses=("192.168.124.11/24",))
    fresh = replace(view, draft=make_new_draft(replace(here, nics=(nic,)), ROLES))
    shown = find_shown(make_section_page(fresh, "admin"))
    assert shown["admin.hostname"] == ("admin", "default")
    assert shown["admin.address"] == ("192.168.124.11", "discovered")
    assert shown["admin.nics"] == (nic.mac, "discovered")
    assert find_shown(make_section_page(view_of(), "general"))["name"] == ("lab", "file")


@pytest.mark.parametrize(
    ("subject", "field", "text", "said"),
    [
        ("general", "name", "", "Name is needed; type a value"),
        ("general", "name", "la b", "the site's name `la b` cannot be used; write letters, digits, `.`, `_` and `-`"),
        ("general", "domain", "-x", "`-x` is not a domain; write labels"),
        ("general", "timezone", "Europe/Berln", "there is no time zone `Europe/Berln`; did you mean Europe/Berlin?"),
        ("general", "keyboard", "uk", "there is no keyboard layout `uk`; write gb"),
        ("general", "handover", "now", "Handover is none of these; choose from soft-reboot, kexec, reboot"),
        ("admin", "admin.vlan", "ten", "VLAN is not a number; type digits only"),
        ("admin", "admin.vlan", "100", "the admin node's VLAN 100 is on no network card; write admin.nics"),
        ("admin", "admin.address", "10.0.0.1", "the admin node's address 10.0.0.1 is outside the admin network"),
        ("admin", "admin.disk.mirror", "perhaps", "Disk mirror is yes or no; type yes or no"),
        ("networks.admin", "networks.admin.subnet", "192.168.124.0", "Subnet: `192.168.124.0` has no prefix"),
        ("networks.admin", "networks.admin.ranges.dhcp", ".80-.21", "`.80-.21` ends before it begins; write 192.168.124.21"),
        ("networks.storage", "networks.storage.vlan", "300", "VLAN 300 is storage's already"),
        ("networks.storage", "networks.storage.conduit", "intf9", "network storage uses the conduit `intf9`, which is not def"),
        ("conduits.intf0", "conduits.intf0.nics", "eth0", "Network cards: `eth0` names no network card; write speed"),
        ("conduits.intf0", "conduits.intf0.nics", "", "Network cards is needed"),
        ("services", "services.dns_forwarders", "9.9.9.9, 9.9.9.9", "9.9.9.9 is in the list twice; keep one of them"),
        ("discovery", "discovery.bmc", "1-2-3", "`1-2-3` is not a range of addresses"),
        ("access", "access.ssh_keys", "ssh-rsa AAAA", "this SSH key is not whole"),
        ("access", "access.password_hash", "short", "this password is too short; type 8 characters or more"),
        ("roles.base", "roles.base.resolver", "1,2,3,4", "resolver is above 3; write 3 or less"),
        ("roles.base", "roles.base.users", "{a", "Users cannot be read; "),
        ("roles.base", "roles.base.users", "[{nam: x}]", "users has the key nam at 1; it may have: name, ssh_keys, sudo"),
        ("general", "name", "x\x1b[2J", "Name holds control characters; type it anew, as plain text on one line"),
        ("general", "name", "x" * 10_000, "Name is longer than 4096 characters"),
        ("general", "domain", "\u202elab", "Domain holds control characters"),
    ],
)  # fmt: skip
def test_what_is_typed_wrong_is_refused_with_what_to_write(subject: str, field: str, text: str, said: str) -> None:
    assert find_refusal(view_of(), subject, field, text).startswith(said)


@pytest.mark.parametrize(
    ("subject", "field", "text", "path", "value"),
    [
        ("general", "name", " rack7 ", ("name",), "rack7"),
        ("general", "keyboard", "de", ("keyboard",), "de"),
        ("general", "timezone", "", ("timezone",), "UTC"),
        ("admin", "admin.nics", "eno1, 52:54:00:aa:00:01", ("admin", "nics"), ["eno1", "52:54:00:aa:00:01"]),
        ("admin", "admin.disk.mirror", "yes", ("admin", "disk", "mirror"), True),
        ("admin", "admin.disk.min_gb", "20", ("admin", "disk", "min_gb"), 20),
        ("networks.storage", "networks.storage.vlan", "", ("networks", "storage", "vlan"), None),
        ("networks.storage", "networks.storage.ranges.dhcp", ".240-.250", ("networks", "storage", "ranges", "dhcp"), ".240-.250"),
        ("conduits.intf1", "conduits.intf1.nics", "10g1, 10g2", ("conduits", "intf1", "nics"), ["10g1", "10g2"]),
        ("discovery", "discovery.admit", "matched", ("discovery", "admit"), "matched"),
        ("roles.base", "roles.base.search", "a.example, b.example", ("roles", "base", "search"), ["a.example", "b.example"]),
        ("roles.base", "roles.base.users", "[{name: ops}]", ("roles", "base", "users"), [{"name": "ops"}]),
        ("nodes.0", "nodes.0.name", "first", ("nodes", 0, "name"), "first"),
        ("nodes.0", "nodes.0.match.min_memory_gb", "64", ("nodes", 0, "match", "min_memory_gb"), 64),
    ],
)  # fmt: skip
def test_what_is_typed_right_is_in_the_draft(subject: str, field: str, text: str, path: Any, value: Any) -> None:
    view = view_of()
    after = take_edit(view, type_value(view, subject, field, text))
    assert find_value(after.draft, path)[0] == value
    assert after.draft.site is not None


def test_choices_are_told_with_what_they_mean() -> None:
    rows = {row.field.name: row.field for row in find_fields(make_section_page(view_of(), "networks.storage")).rows}
    assert rows["networks.storage.conduit"].choices == (("intf0", "?1g1"), ("intf1", "?1g2"), ("intf2", "?1g1"))
    general = {row.field.name: row.field for row in find_fields(make_section_page(view_of(), "general")).rows}
    assert (general["keyboard"].kind, general["keyboard"].choices[0]) == ("choice", ("de", ""))
    assert [value for value, _ in general["handover"].choices] == ["soft-reboot", "kexec", "reboot"]
    assert general["name"].help == "The site's name; typed to consent to erasing."


def test_a_network_takes_along_what_lies_in_it() -> None:
    text = SITE.replace("roles: [base]}", "roles: [base], address: 192.168.124.90}", 1) + "discovery: {bmc: [.162-.170]}\n"
    view = view_of(text)
    outcome = type_value(view, "networks.admin", "networks.admin.subnet", "10.7.0.0/24")
    assert isinstance(outcome, Edited)
    assert outcome.says.startswith("Moved along: networks.admin.router, networks.admin.ranges.admin, ")
    after = take_edit(view, outcome)
    admin, bmc = find_network(after, "admin"), find_network(after, "bmc")
    assert (str(admin.subnet), str(admin.router), str(bmc.subnet)) == ("10.7.0.0/24", "10.7.0.1", "10.7.0.0/24")
    assert [str(end) for given in admin.ranges for end in (given.first, given.last)][2:4] == ["10.7.0.21", "10.7.0.80"]
    assert find_value(after.draft, ("networks", "admin", "ranges", "dhcp"))[0] == ".21-.80"
    assert after.draft.site is not None
    assert str(after.draft.site.admin.address) == "10.7.0.10"
    assert str(after.draft.site.nodes[0].address) == "10.7.0.90"
    assert [str(end) for end in after.draft.site.discovery.bmc[0]] == ["10.7.0.162", "10.7.0.170"]
    wider = take_edit(after, type_value(after, "networks.public", "networks.public.subnet", "10.9.0.0/16"))
    assert [str(find_network(wider, name).subnet) for name in ("public", "floating")] == ["10.9.0.0/16", "10.9.0.128/25"]
    assert find_value(wider.draft, ("networks", "public", "ranges", "host"))[0] == "10.9.0.2-10.9.0.127"


def test_a_network_is_added_by_name_with_what_it_needs() -> None:
    view = view_of()
    page = make_site_page(view, "")
    ask = press(page, view, "a", "", "networks")
    answers = {"networks.backup.subnet": "10.8.0.0/24", "networks.backup.conduit": "intf1", "networks.backup.vlan": "600"}
    assert isinstance(ask, Ask)
    assert ask.asks.check("storage") is not None
    assert ask.asks.check("\x00") is not None
    outcome = ask.then(view, Selection(text="backup"))
    assert isinstance(outcome, Ask)
    overlap = outcome.asks.check("192.168.125.0/24")
    assert overlap is not None
    assert overlap.message == "backup (192.168.125.0/24) overlaps storage (192.168.125.0/24)"
    while isinstance(outcome, Ask):
        assert outcome.asks.check("\x07") is not None
        assert outcome.asks.name != "networks.backup.vlan" or outcome.asks.check("500") is not None
        outcome = outcome.then(view, Selection(text=answers.pop(outcome.asks.name)))
    assert answers == {}
    assert isinstance(outcome, Edited)
    assert outcome.then == Go("section", "networks.backup")
    after = take_edit(view, outcome)
    assert (str(find_network(after, "backup").subnet), find_network(after, "backup").vlan) == ("10.8.0.0/24", 600)
    assert after.draft.site is not None
    assert len(after.draft.site.networks) == 8
    removed = take_edit(after, press(make_site_page(after, ""), after, "x", "backup", "networks"))
    assert removed.draft.site is not None
    assert [network.name for network in removed.draft.site.networks][-1] == "fixed"
    kept = press(page, view, "x", "admin", "networks")
    assert isinstance(kept, Refused)


def test_a_conduit_is_added_and_one_by_default_stays() -> None:
    view = view_of()
    page = make_section_page(view, "conduits")
    ask = press(page, view, "a", "", "conduits")
    assert isinstance(ask, Ask)
    cards = ask.then(view, Selection(text="fast"))
    assert isinstance(cards, Ask)
    assert isinstance(cards.then(view, Selection(text="eth0")), Refused)
    after = take_edit(view, cards.then(view, Selection(text="10g1, 10g2")))
    assert find_value(after.draft, ("conduits", "fast", "nics")) == (["10g1", "10g2"], "typed")
    assert isinstance(press(page, view, "x", "intf0", "conduits"), Refused)


def test_ssh_keys_are_added_by_whole_lines_and_removed_one_by_one() -> None:
    view = view_of()
    after = take_edit(view, type_value(view, "access", "access.ssh_keys", KEY))
    page = make_section_page(after, "access")
    assert find_shown(page)["access.ssh_keys"] == ("2 keys", "typed")
    assert [row.cells for row in find_table(page, "access.ssh_keys").rows] == [
        ("ssh-ed25519", "..fajcd5fa", "operator@desk"), ("ssh-ed25519", "..4v8wWc1x", "second@desk"),
    ]  # fmt: skip
    one = take_edit(after, press(page, after, "x", "0", "access.ssh_keys"))
    assert find_value(one.draft, ("access", "ssh_keys"))[0] == [KEY]
    none = take_edit(one, press(make_section_page(one, "access"), one, "x", "0", "access.ssh_keys"))
    assert find_value(none.draft, ("access", "ssh_keys"))[0] == []
    again = take_edit(none, type_value(none, "access", "access.ssh_keys", KEY))
    assert find_value(again.draft, ("access", "ssh_keys")) == ([KEY], "file")
    assert find_shown(make_section_page(again, "access"))["access.ssh_keys"] == ("1 key", "typed")
    assert isinstance(type_value(view, "access", "access.ssh_keys", " "), Told)
    private = "-----BEGIN OPENSSH PRIVATE KEY----- c2VjcmV0"
    assert find_refusal(view, "access", "access.ssh_keys", private).startswith("this is a private SSH key; ")
    assert make_key_cells(private) == ("no public key", "-", "-")


def test_a_password_becomes_a_wish_and_is_shown_nowhere() -> None:
    view = view_of()
    password = "CANARY-correct horse"
    ask = type_value(view, "access", "access.password_hash", password)
    assert isinstance(ask, Ask)
    assert ask.asks.kind == "secret"
    assert isinstance(ask.then(view, Selection(text="CANARY-wrong horse")), Refused)
    wished = ask.then(view, Selection(text=password))
    assert wished == Wished((SetPassword(password),))
    assert "CANARY" not in repr(ask) + repr(wished)
    made = make_password_hash(password)
    after = replace(view, draft=edit_draft(view.draft, [(("access", "password_hash"), made)], ROLES)[0])
    page = make_section_page(after, "access")
    assert find_shown(page)["access.password_hash"] == ("set", "typed")
    assert made not in repr(page)
    field = next(row.field for row in find_fields(page).rows if row.field.kind == "secret")
    assert field.start == ""
    out = take_edit(after, press(page, after, "d", "access.password_hash", "values"))
    assert find_value(out.draft, ("access", "password_hash"))[0] is None


def test_passwords_are_hashed_anew_each_time_and_bad_ones_refused() -> None:
    one, other = make_password_hash("correct horse"), make_password_hash("correct horse")
    assert one.startswith("$y$j9T$")
    assert one != other


def test_a_value_is_taken_out_so_that_its_default_is_in_force_again() -> None:
    view = view_of(SITE + "timezone: Asia/Tokyo\n")
    page = make_section_page(view, "general")
    after = take_edit(view, press(page, view, "d", "timezone", "values"))
    assert find_value(after.draft, ("timezone",)) == ("UTC", "default")
    assert after.draft.text == SITE
    assert isinstance(press(page, view, "d", "name", "values"), Refused)
    assert isinstance(press(page, view, "d", "nonsense", "values"), Told)


def test_erase_is_changed_only_by_who_read_what_it_means() -> None:
    view = view_of()
    page = make_section_page(view, "erase")
    assert [row.cells[2] for row in find_table(page, "erase").rows] == ["in force", "", ""]
    ask = press(page, view, "enter", "blank", "erase")
    assert isinstance(ask, Ask)
    assert "install on every disk that looks" in " ".join(ask.says)
    for wrong in ("", "yes", "no", "y", "BLANK"):
        assert isinstance(ask.then(view, Selection(text=wrong)), Refused)
        assert ask.asks.check(wrong) is not None
    assert ask.asks.check("blank") is None
    after = take_edit(view, ask.then(view, Selection(text="blank")))
    assert after.draft.site is not None
    assert after.draft.site.erase == "blank"
    assert isinstance(choose_erase(after, Selection("blank")), Told)
    assert isinstance(choose_erase(after, Selection("list")), Refused)
    assert isinstance(choose_erase(after, Selection("no")), Ask)
    assert all(
        not isinstance(leaf, Leaf) or leaf.form == "yaml" for s in find_sections() if s.name == "erase" for leaf in s.parts
    )
