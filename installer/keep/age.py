"""Files that a passphrase opens, as https://age-encryption.org/v1 (C2SP `age`) writes them: `age -d` opens them too.

The primitives are cryptography's: scrypt (RFC 7914), HKDF-SHA-256, HMAC-SHA-256 and ChaCha20-Poly1305 over chunks of 64 KiB.
Memory stays bounded whatever the file's size, and nothing is given out of a chunk that is not authentic. The bindings
of rage measure the machine in place of taking a cost, and need a gigabyte of memory on a quick one: a file made there
could not be opened on a small machine. `age -p` asks its terminal and nothing else.
"""

from __future__ import annotations

import base64
import binascii
import io
import os
import re
import struct
from typing import IO, Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from installer.model.problems import RackstrapError

WORK: Final = 17  # log2 of scrypt's N: 128 MiB and some 0.4 s, what OWASP's password storage sheet asks for at r=8, p=1
MOST_WORK: Final = 18  # `age -p` takes 18; each step doubles the memory, and 2^18 takes 256 MiB
CHUNK: Final = 64 * 1024
TAG: Final = 16
VERSION: Final = b"age-encryption.org/v1"
LABEL: Final = b"age-encryption.org/v1/scrypt"
LONGEST_LINE: Final = 128
_STANZA: Final = re.compile(rb"-> scrypt ([A-Za-z0-9+/]{22}) ([1-9][0-9]?)")
DAMAGED: Final = "it is damaged, or not all of it is there"


class NotOpenedError(RackstrapError):
    """The file is not what it should be, or the passphrase is not its own."""


class Sealer(io.RawIOBase):
    """A stream that is written: what goes in comes out encrypted in `out`. `close` writes the last chunk, not `out`'s end.

    `work` is log2 of scrypt's N; tests make it small.
    """

    def __init__(self, out: IO[bytes], passphrase: str, work: int = WORK) -> None:
        self._out: Final = out
        file_key, salt, nonce = os.urandom(16), os.urandom(16), os.urandom(16)
        wrapped = ChaCha20Poly1305(_stretch(passphrase, salt, work)).encrypt(bytes(12), file_key, None)
        head = b"\n".join([VERSION, b"-> scrypt %s %d" % (_encode(salt), work), _encode(wrapped), b"---"])
        out.write(head + b" " + _encode(_make_mac(file_key, head).finalize()) + b"\n" + nonce)
        self._cipher: Final = ChaCha20Poly1305(_derive(file_key, nonce, b"payload"))
        self._held = bytearray()
        self._count = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]
        self._held += data
        while len(self._held) > CHUNK:
            self._seal(bytes(self._held[:CHUNK]), is_last=False)
            del self._held[:CHUNK]
        return len(data)

    def finish(self) -> None:
        """Write the last chunk. A stream that is not finished is one that nothing opens."""
        self._seal(bytes(self._held), is_last=True)
        self._held.clear()

    def _seal(self, chunk: bytes, *, is_last: bool) -> None:
        self._out.write(self._cipher.encrypt(_make_nonce(self._count, is_last), chunk, None))
        self._count += 1


class Opener(io.RawIOBase):
    """A stream that is read: the decrypted content of `source`. Raises NotOpenedError, from the start or while reading."""

    def __init__(self, source: IO[bytes], passphrase: str, most_work: int = MOST_WORK) -> None:
        self._source: Final = source
        file_key = _open_header(source, passphrase, most_work)
        nonce = _read_whole(source, 16)
        if len(nonce) != 16:
            raise NotOpenedError(DAMAGED)
        self._cipher: Final = ChaCha20Poly1305(_derive(file_key, nonce, b"payload"))
        self._count = 0
        self._next = _read_whole(source, CHUNK + TAG)
        self._plain = memoryview(b"")
        self._is_done = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        """At most this many bytes, b"" only at the end; all of them for a negative size."""
        found = bytearray()
        while size < 0 or len(found) < size:
            if not self._plain and not self._take():
                break
            part = self._plain if size < 0 else self._plain[: size - len(found)]
            found += part
            self._plain = self._plain[len(part) :]
        return bytes(found)

    def _take(self) -> bool:
        """Decrypt one chunk more; False at the end."""
        if self._is_done:
            return False
        chunk, self._next = self._next, _read_whole(self._source, CHUNK + TAG)
        is_last = not self._next
        try:
            plain = self._cipher.decrypt(_make_nonce(self._count, is_last), chunk, None)
        except InvalidTag as error:
            raise NotOpenedError(DAMAGED) from error
        if not plain and self._count:
            raise NotOpenedError(DAMAGED)
        self._plain, self._is_done = memoryview(plain), is_last
        self._count += 1
        return bool(plain)


def _open_header(source: IO[bytes], passphrase: str, most_work: int) -> bytes:
    """The key of the file. Raises NotOpenedError."""
    if _read_line(source) != VERSION:
        raise NotOpenedError("it is not a file that age or `rackstrap backup` wrote", "name another file")
    words = _read_line(source)
    stanza = _STANZA.fullmatch(words)
    if stanza is None:
        raise NotOpenedError("it was not encrypted with a passphrase", "name a file that `rackstrap backup` wrote")
    if int(stanza[2]) > most_work:
        raise NotOpenedError(
            f"opening it takes {2 ** (int(stanza[2]) - 10)} MiB of memory, more than is used here",
            "decrypt and encrypt it again with `age`",
        )
    wrapped, last = _read_line(source), _read_line(source)
    mark, _, mac = last.partition(b" ")
    if mark != b"---":
        raise NotOpenedError(DAMAGED)
    try:
        file_key = ChaCha20Poly1305(_stretch(passphrase, _decode(stanza[1], 16), int(stanza[2]))).decrypt(
            bytes(12), _decode(wrapped, 32), None
        )
    except InvalidTag as error:
        raise NotOpenedError("the passphrase is not the one of this file, or its first lines are damaged", "try again") from error
    try:
        _make_mac(file_key, b"\n".join([VERSION, words, wrapped, mark])).verify(_decode(mac, 32))
    except InvalidSignature as error:
        raise NotOpenedError(DAMAGED) from error
    return file_key


def _stretch(passphrase: str, salt: bytes, work: int) -> bytes:
    try:
        return Scrypt(salt=LABEL + salt, length=32, n=2**work, r=8, p=1).derive(passphrase.encode())
    except MemoryError as error:
        raise RackstrapError(f"there is too little memory: {2 ** (work - 10)} MiB are needed", "end other programs") from error


def _derive(key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt, info).derive(key)


def _make_mac(file_key: bytes, head: bytes) -> hmac.HMAC:
    mac = hmac.HMAC(_derive(file_key, b"", b"header"), hashes.SHA256())
    mac.update(head)
    return mac


def _make_nonce(count: int, is_last: bool) -> bytes:
    """Eleven bytes of counter, big-endian, and one that marks the last chunk."""
    return bytes(3) + struct.pack(">QB", count, is_last)


def _encode(raw: bytes) -> bytes:
    return base64.b64encode(raw).rstrip(b"=")


def _decode(text: bytes, size: int) -> bytes:
    """Canonical base64 without padding. Raises NotOpenedError."""
    try:
        raw = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise NotOpenedError(DAMAGED) from error
    if len(raw) != size or _encode(raw) != text:
        raise NotOpenedError(DAMAGED)
    return raw


def _read_line(source: IO[bytes]) -> bytes:
    """One line without its end; b"" for one that is too long or not ended."""
    line = source.readline(LONGEST_LINE)
    return line[:-1] if line.endswith(b"\n") else b""


def _read_whole(source: IO[bytes], size: int) -> bytes:
    """As many bytes, fewer only at the end."""
    found = b""
    while len(found) < size and (part := source.read(size - len(found))):
        found += part
    return found
