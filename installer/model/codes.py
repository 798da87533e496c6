"""The short code by which a person recognises a machine: the same on its console and on the admin's screen."""

from __future__ import annotations

from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U


def make_code(fingerprint: str) -> str:
    """`ABCD-EFGH` from the first 40 bits of a SHA-256 in hex. Raises ValueError when that is not hex."""
    bits = int(fingerprint[:10], 16)
    digits = "".join(ALPHABET[(bits >> shift) & 31] for shift in range(35, -1, -5))
    return f"{digits[:4]}-{digits[4:]}"
