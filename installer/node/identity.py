"""The node's own key pair and certificate. Who a node is, is the SHA-256 of its certificate's DER."""

from __future__ import annotations

import hashlib
import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from installer.model.codes import make_code
from installer.node.programs import run_program


@dataclass(frozen=True, slots=True)
class Identity:
    """Paths of a PEM key (mode 0600) and a PEM certificate, and the certificate's fingerprint in hex."""

    key: Path
    cert: Path
    fingerprint: str

    @property
    def code(self) -> str:
        return make_code(self.fingerprint)


def make_certificate_command(key: Path, cert: Path) -> tuple[str, ...]:
    """EC P-256, self-signed for a hundred years: nobody checks its name or dates, only the fingerprint."""
    options = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj /CN=rackstrap-agent"
    return ("openssl", "req", *options.split(), "-keyout", str(key), "-out", str(cert))


def load_identity(folder: Path) -> Identity:
    """The identity in `folder`, made when there is none. Raises RackstrapError when openssl fails."""
    key, cert = folder / "agent.key", folder / "agent.crt"
    if not (key.exists() and cert.exists()):
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        fresh_key, fresh_cert = folder / "agent.key.new", folder / "agent.crt.new"
        fresh_key.unlink(missing_ok=True)
        os.close(os.open(fresh_key, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        run_program(make_certificate_command(fresh_key, fresh_cert))
        fresh_key.chmod(0o600)
        fresh_key.replace(key)
        fresh_cert.replace(cert)
    der = ssl.PEM_cert_to_DER_cert(cert.read_text(encoding="ascii"))
    return Identity(key, cert, hashlib.sha256(der).hexdigest())
