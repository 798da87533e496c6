"""The serving certificate: self-signed, known to every node by the SHA-256 of its DER (the pin), never by its name or dates."""

from __future__ import annotations

import hashlib
import os
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from installer.model.problems import RackstrapError

FOLDER: Final = "tls"
# Nodes may boot with any clock: the pin is what counts.
VALID_FROM: Final = datetime(2000, 1, 1, tzinfo=UTC)
VALID_TO: Final = datetime(2099, 12, 31, tzinfo=UTC)


def make_pin(pem: str) -> str:
    """SHA-256 (hex) of a PEM certificate's DER. Raises ValueError when it is not one."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def load_pin(state_dir: Path) -> str:
    """The pin of the certificate in `state_dir`; "" when there is none. Raises RackstrapError when it is damaged."""
    path = state_dir / FOLDER / "cert.pem"
    try:
        return make_pin(path.read_text(encoding="ascii"))
    except FileNotFoundError:
        return ""
    except ValueError as error:
        raise RackstrapError(f"{path} is not a certificate", "move the folder aside: a new one is made") from error


def save_certificate(state_dir: Path) -> str:
    """The pin of the certificate in `state_dir`, which is made with its key (mode 0600) when there is none."""
    folder = state_dir / FOLDER
    if (folder / "key.pem").exists() and (pin := load_pin(state_dir)):
        return pin
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    cert_pem = _make_certificate(key).public_bytes(serialization.Encoding.PEM).decode()
    # The key first: a certificate without its key would be taken for finished.
    _save_private(folder / "key.pem", key_pem)
    _save_private(folder / "cert.pem", cert_pem)
    return make_pin(cert_pem)


def _make_certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rackstrap")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(VALID_FROM).not_valid_after(VALID_TO)
    return builder.sign(key, hashes.SHA256())


def _save_private(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
