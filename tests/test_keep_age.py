"""A backup's encryption: age opens what we seal, and nothing opens that was changed."""

from __future__ import annotations

import io
import os
from contextlib import closing
from pathlib import Path

import pexpect
import pytest

from installer.keep.age import CHUNK, NotOpenedError, Opener
from tests.kept_state import PASSPHRASE, seal
from tests.serving import find_program


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 200_000])
def test_what_is_sealed_opens_at_every_length(size: int) -> None:
    content = os.urandom(size)
    assert Opener(io.BytesIO(seal(content)), PASSPHRASE).read() == content


def test_age_opens_our_files(tmp_path: Path) -> None:
    content = os.urandom(150_000)
    ours, plain = tmp_path / "ours", tmp_path / "plain"
    ours.write_bytes(seal(content, work=10))
    words = ["-d", "-o", str(plain), str(ours)]
    with closing(pexpect.spawn(find_program("age"), words, timeout=20)) as age:
        age.expect("passphrase: ")
        age.sendline(PASSPHRASE)
        age.expect(pexpect.EOF)
    assert plain.read_bytes() == content


def test_no_bit_can_be_changed_and_no_byte_be_missing() -> None:
    whole = seal(os.urandom(CHUNK + 300))
    head = whole.index(b"---")
    for at in (*range(0, head + 60, 3), head + 61, CHUNK, len(whole) - 1):
        broken = bytearray(whole)
        broken[at] ^= 4
        with pytest.raises(NotOpenedError):
            Opener(io.BytesIO(broken), PASSPHRASE).read()
    for length in (0, 5, head, head + 50, head + 60, head + 100, CHUNK, len(whole) - 300, len(whole) - 317, len(whole) - 1):
        with pytest.raises(NotOpenedError):
            Opener(io.BytesIO(whole[:length]), PASSPHRASE).read()
    with pytest.raises(NotOpenedError):
        Opener(io.BytesIO(whole + b"x"), PASSPHRASE).read()


def test_a_file_that_asks_for_too_much_memory_is_refused() -> None:
    head, _, rest = seal(b"x").partition(b" 4\n")
    with pytest.raises(NotOpenedError, match="1024 MiB of memory"):
        Opener(io.BytesIO(head + b" 20\n" + rest), PASSPHRASE)
