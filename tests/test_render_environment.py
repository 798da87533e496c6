"""Hostile values never get through a filter, and nothing is printed without one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from installer.render.environment import make_environment
from installer.render.grammar import GRAMMARS
from installer.render.refused import RenderRefused

ENVIRONMENT = make_environment()
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDxJ6GMVDcOwEdKlVMJ6hQ4fVjXH9XzrjO6PDvzVjYqB"
GOOD = {
    "label": ["node1", "a", "A-1", "x" * 63],
    "fqdn": ["node1.lab.example", "node1"],
    "host": ["ntp.lab.example", "192.168.124.1", "fd00::1"],
    "mac": ["52:54:00:00:00:01"],
    "address": ["192.168.124.10", "fd00::1"],
    "listen": ["192.168.124.10"],
    "cidr": ["192.168.124.81/24", "fd00::1/64"],
    "subnet": ["192.168.124.0/24", "fd00::/64"],
    "path": ["/var/lib/rackstrap/run", "/dev/disk/by-id/nvme-eui.0011", "/dev/disk/by-path/pci-0000:00:1f.2-ata-1"],
    "url": ["http://192.168.124.10/image", "https://admin.lab.example:8443", "http://[fd00::1]/boot/ipxe"],
    "integer": ["0", "-1", "1500"],
    "hex": ["ab01", "F" * 64],
    "uuid": ["0f3a1c2e-0000-4000-8000-000000000001", "1A2B-3C4D"],
    "ssh_key": [KEY, f"{KEY} me@laptop", f'from="10.0.0.0/8",no-pty {KEY} some one'],
    "console": ["tty0", "ttyS0,115200n8", "hvc0"],
    "interface": ["eth0", "br0", "enp1s0f0.200"],
    "interface_pattern": ["en*"],
    "bond_mode": ["active-backup", "802.3ad"],
    "user": ["root", "_apt"],
    "unit": ["ssh.service", "getty@tty1.service"],
    "keyboard": ["us", "latam"],
    "timezone": ["UTC", "Europe/Berlin", "America/Argentina/Ushuaia", "Etc/GMT+5"],
}
# What each file format could take for the end of a value, or the start of something else.
HOSTILE = [
    "\n",
    "\r",
    "\0",
    "\t",
    '"',
    "'",
    "`",
    "$",
    "${net0/ip}",
    "$(id)",
    ";",
    "{",
    "}",
    "\\",
    "#",
    "&",
    "|",
    "<",
    "\u2028",
    "\x85",
    "é",
]


@pytest.mark.parametrize("name", sorted(GRAMMARS))
def test_each_grammar_admits_its_own(name: str) -> None:
    template = ENVIRONMENT.from_string(f"{{{{ value|{name} }}}}")
    assert [template.render(value=value) for value in GOOD[name]] == GOOD[name]


@pytest.mark.parametrize("name", sorted(set(GRAMMARS) - {"ssh_key"}))
@given(data=st.data())
def test_hostile_text_inside_a_good_value_is_refused(name: str, data: st.DataObject) -> None:
    good = data.draw(st.sampled_from(GOOD[name]))
    at = data.draw(st.integers(0, len(good)))
    bad = good[:at] + data.draw(st.sampled_from(HOSTILE)) + good[at:]
    with pytest.raises(RenderRefused):
        ENVIRONMENT.from_string(f"{{{{ value|{name} }}}}").render(value=bad)


@pytest.mark.parametrize("name", sorted(GRAMMARS))
@given(text=st.text())
def test_any_text_is_refused_or_is_plain_ascii_without_syntax(name: str, text: str) -> None:
    template = ENVIRONMENT.from_string(f"{{{{ value|{name} }}}}")
    try:
        shown = template.render(value=text)
    except RenderRefused as refused:
        shown = refused.message.replace(" ", "")
        expected = r"[!-~]+"
    else:
        expected = r"[A-Za-z0-9._/:,@+=?*\[\]~-]+"
    assert re.fullmatch(expected, shown)


@given(st.text(max_size=40))
def test_an_ssh_key_stays_one_line_whatever_follows_it(tail: str) -> None:
    template = ENVIRONMENT.from_string("{{ value|ssh_key }}")
    try:
        shown = template.render(value=f"{KEY} {tail}")
    except RenderRefused:
        assert re.fullmatch(r"[!-~][ -~]*", tail) is None
    else:
        assert re.fullmatch(r"[ -~]+", shown)


def test_an_ssh_key_must_be_of_the_type_that_it_names() -> None:
    with pytest.raises(RenderRefused):
        ENVIRONMENT.from_string("{{ value|ssh_key }}").render(value=KEY.replace("ssh-ed25519", "ssh-rsa"))


@pytest.mark.parametrize(
    "template",
    [
        "{{ value }}",
        "{{ 'constant' }}",
        "{{ value|label ~ 'x' }}",
        "{{ (value|label).upper() }}",
        "{{ value|label|upper }}",
        "{{ value|path }}",
        "{{ [value|label] }}",
        "{{ none }}",
        "{{ true }}",
        "{{ true|integer }}",
        "{{ none|label }}",
        "{{ 1.5 }}",
        "{% set shown = value %}{{ shown }}",
    ],
)
def test_nothing_is_printed_that_no_filter_admitted(template: str) -> None:
    with pytest.raises(RenderRefused):
        ENVIRONMENT.from_string(template).render(value="node1")


@pytest.mark.parametrize("template", ["{{ missing }}", "{{ missing|label }}"])
def test_a_missing_value_is_an_error(template: str) -> None:
    with pytest.raises(UndefinedError):
        ENVIRONMENT.from_string(template).render()


def test_whole_numbers_need_no_filter_and_the_last_newline_stays() -> None:
    assert ENVIRONMENT.from_string("{% if true %}\nport={{ 53 }}\n{% endif %}\n").render() == "port=53\n"


def test_paths_and_urls_do_not_climb() -> None:
    for name, value in (("path", "/var/../etc"), ("url", "http://a/../b")):
        with pytest.raises(RenderRefused):
            ENVIRONMENT.from_string(f"{{{{ value|{name} }}}}").render(value=value)


def test_templates_load_from_given_folders(tmp_path: Path) -> None:
    (tmp_path / "motd.j2").write_text("{{ name|label }}\n")
    assert make_environment(tmp_path).get_template("motd.j2").render(name="node1") == "node1\n"
