"""Who is asking: an agent is known by the SHA-256 of its certificate, which nginx saw it prove in TLS."""

from __future__ import annotations

import hashlib
import ssl
from typing import Final
from urllib.parse import unquote

from installer.model.ledger import Ledger, MachineEntry

MOST_CHARACTERS: Final = 16_384


def parse_fingerprint(escaped_pem: str) -> str:
    """The fingerprint in hex of nginx's `$ssl_client_escaped_cert`. Raises ValueError when there is no certificate."""
    if not escaped_pem or len(escaped_pem) > MOST_CHARACTERS:
        raise ValueError("no certificate")
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(unquote(escaped_pem, errors="strict"))).hexdigest()


def find_owner(ledger: Ledger, fingerprint: str) -> MachineEntry | None:
    """The machine whose key this is."""
    return next((entry for entry in ledger.machines.values() if entry.key == fingerprint), None)
