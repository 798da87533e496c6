"""Kernel words that may be put into an ISO, and the file that GRUB sources for them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from installer.medium.words import CONFIG_BYTES, BootConfig, make_boot_config, merge_words, parse_boot_config, parse_words
from installer.model.problems import RackstrapError

DIGEST = "ab" * 32


@pytest.mark.parametrize(
    "word",
    [
        "rackstrap.site=https://deploy.example/rack7.yaml",
        "rackstrap.site=http://192.0.2.1:8080/${uuid}/${mac}-${serial}.yaml",
        "rackstrap.site=/rackstrap/site.yaml",
        "rackstrap.site=/sites/${serial}.yaml",
        f"rackstrap.site_sha256={DIGEST}",
        f"rackstrap.site_cert={DIGEST}",
        "rackstrap.ip=192.0.2.10/24",
        "rackstrap.ip=192.0.2.10/24,192.0.2.1,192.0.2.2,52:54:00:00:00:01",
        "rackstrap.ip=2001:db8::10/64,,2001:db8::53",
    ],
)
def test_words_of_the_grammar_are_admitted(word: str) -> None:
    assert parse_words(f"  {word} ") == (word,)


@pytest.mark.parametrize(
    "word",
    [
        "quiet",
        "init=/bin/sh",
        "rackstrap.boot=unattended",
        "rackstrap.medium=0123456789abcdef",
        "rackstrap.site",
        "rackstrap.site=",
        "rackstrap.site=ftp://x/y",
        "rackstrap.site=https://x/../y",
        "rackstrap.site=https://x:99999/y",
        "rackstrap.site=https://${serial}/y",
        "rackstrap.site=//x/y",
        "rackstrap.site=https://user:hunter2@x/y",
        "rackstrap.site=https://x/y?a=b",
        "rackstrap.site=https://x/*",
        "rackstrap.site=https://x/$root",
        "rackstrap.site=https://x/${root}",
        "rackstrap.site=https://x/'",
        'rackstrap.site=https://x/"',
        "rackstrap.site=https://x/;reboot",
        "rackstrap.site=https://x/\\",
        "rackstrap.site=/ä",
        "rackstrap.site_sha256=ab",
        f"rackstrap.site_cert={DIGEST.upper()}",
        "rackstrap.ip=192.0.2.10",
        "rackstrap.ip=192.0.2.10/33",
        "rackstrap.ip=192.0.2.10/24,x",
        "rackstrap.ip=192.0.2.10/24,,,nic",
        "rackstrap.ip=192.0.2.10/24,,,52:54:00:00:00:01,",
        "rackstrap.ip=fe80::1%eth0/64",
    ],
)
def test_other_words_are_refused_and_no_value_is_repeated(word: str) -> None:
    with pytest.raises(RackstrapError, match="cannot be put into the ISO") as refused:
        parse_words(word)
    assert refused.value.exit_code == 1
    assert "hunter2" not in refused.value.message + refused.value.hint


def test_every_wrong_word_is_named_at_once() -> None:
    with pytest.raises(RackstrapError) as refused:
        parse_words(f"rackstrap.ip=x quiet rackstrap.site_cert={DIGEST} rackstrap.site_cert={DIGEST}")
    assert refused.value.message.splitlines()[1:] == [
        "  rackstrap.ip= takes ADDRESS/PREFIX[,GATEWAY[,DNS[,MAC]]]",
        "  quiet: not a word of Rackstrap's for this",
        "  rackstrap.site_cert is there twice",
    ]


def test_words_longer_than_a_kernel_line_are_refused() -> None:
    with pytest.raises(RackstrapError, match="longer than"):
        parse_words("rackstrap.site=https://x/" + "y" * 1500)


def test_a_new_word_replaces_the_old_one_of_its_name() -> None:
    old = ("rackstrap.site=/a", "rackstrap.ip=192.0.2.1/24")
    assert merge_words(old, ("rackstrap.site=/b",)) == ("rackstrap.site=/b", "rackstrap.ip=192.0.2.1/24")
    assert merge_words((), reversed(old)) == old


@pytest.mark.parametrize(
    "config",
    [
        BootConfig(),
        BootConfig(is_unattended=True),
        BootConfig(("rackstrap.site=https://x/${uuid}",), is_unattended=True),
        BootConfig(("rackstrap.site=/x", "rackstrap.ip=192.0.2.10/24")),
        BootConfig(("rackstrap.ip=192.0.2.10/24",)),
    ],
)
def test_what_is_written_is_read_back(config: BootConfig) -> None:
    content = make_boot_config(config)
    assert len(content) == CONFIG_BYTES
    assert parse_boot_config(content) == config


def test_grub_gets_the_words_unexpanded_and_the_entry_to_start() -> None:
    config = BootConfig(("rackstrap.site=https://x/${uuid}", "rackstrap.ip=192.0.2.10/24"), is_unattended=True)
    assert make_boot_config(config).rstrip(b"\n").decode().splitlines() == [
        "# Written by rackstrap iso customize.",
        "set rackstrap_site='rackstrap.site=https://x/${uuid}'",
        "set rackstrap_words='rackstrap.ip=192.0.2.10/24'",
        "set rackstrap_default=unattended",
    ]


def test_nothing_to_set_is_newlines() -> None:
    assert make_boot_config(BootConfig()) == b"\n" * CONFIG_BYTES


@pytest.mark.parametrize(
    "content",
    [
        b"set timeout=0\n",
        b"# Written by rackstrap iso customize.\nset rackstrap_site=''\nset rackstrap_words='init=/bin/sh'\n",
        b"# Written by rackstrap iso customize.\nset rackstrap_site=''\nset rackstrap_words=''\n",
        b"# Written by rackstrap iso customize.\nset rackstrap_site=''\nset rackstrap_words='rackstrap.site=/x'\n",
        b"# Written by rackstrap iso customize.\nset rackstrap_site='rackstrap.site=/x'\nset rackstrap_words=''\nreboot\n",
        b"\n\n\xff",
    ],
)
def test_what_another_hand_wrote_is_refused(content: bytes) -> None:
    with pytest.raises(RackstrapError, match="did not write there"):
        parse_boot_config(content.ljust(CONFIG_BYTES, b"\n"))


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(max_codepoint=0x17F), max_size=60))
def test_no_admitted_url_can_leave_its_quotes_or_split(tail: str) -> None:
    try:
        words = parse_words(f"rackstrap.site=https://x/{tail}")
    except RackstrapError:
        return
    content = make_boot_config(BootConfig(words))
    assert content.count(b"'") == 4
    assert not set('*?\\;&|<>"`#') & set("".join(words))
    assert parse_boot_config(content) == BootConfig(words)


def test_only_the_unattended_menu_entry_is_given_the_site_files_place() -> None:
    menu = (Path(__file__).parent.parent / "iso/boot/grub.cfg").read_text()
    lines = {match[1]: match[2] for match in re.finditer(r"rackstrap\.boot=(\w+) (.*)", menu)}
    assert sorted(lines) == ["install", "live", "unattended"]
    assert {mode for mode, rest in lines.items() if "$rackstrap_site" in rest} == {"unattended"}
    assert all("$rackstrap_words" in rest for rest in lines.values())
    assert (
        menu.index("set rackstrap_site=\n") < menu.index("source ($medium)/boot/grub/site.cfg") < menu.index("$rackstrap_default")
    )
