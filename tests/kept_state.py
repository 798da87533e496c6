"""A state folder to keep, and its way into a backup and back, for their tests."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Final

from installer.engine.journal import Journal
from installer.keep.age import Sealer
from installer.keep.backup import Made, run_backup
from installer.keep.restore import Restored, run_restore
from installer.model.events import Event, Happened
from installer.power.adding import keep_bmc
from installer.serve.certificate import save_certificate
from tests.served_files import SITE, make_recording, save_state

PASSPHRASE: Final = "correct horse battery"
QUICK: Final = 4  # log2 of scrypt's cost: nobody attacks these files


def make_kept_state(tmp_path: Path) -> Path:
    """A state folder with a site, a certificate, two BMCs' passwords, one of which lies elsewhere, and what is not kept."""
    folder, beside = tmp_path / "state", tmp_path / "beside"
    save_state(folder, SITE + "discovery: {credentials: bmcs.csv}\n")
    save_certificate(folder)
    beside.mkdir()
    save_private(beside / "bmc2.secret", "outside-password\n")
    (beside / "bmcs.csv").write_text("serial,address,user,secret\nS2,192.168.77.202,ADMIN,bmc2.secret\n")
    save_private(folder / "applied/site.yaml", (folder / "site.yaml").read_text())
    save_private(folder / "applied/beside", f"{beside}\n")
    for name in ("run/serve.log", "run/nginx.pid", "apply.lock", "network.json", "log/old", ".draft.new", "tftp/undionly.kpxe"):
        save_private(folder / name, "not kept")
    save_private(folder / "run/nginx.conf", f"ssl_certificate {folder}/tls/cert.pem;\n")
    save_private(folder / "draft.yaml", "draft: 1\n")
    with Journal(folder / "store.db") as journal:
        bmc = keep_bmc(folder, {}, "192.168.77.201", "S1", "ADMIN", "inside-password")
        outside = {
            "address": "192.168.77.202",
            "serial": "S2",
            "user": "ADMIN",
            "secret": str(beside / "bmc2.secret"),
            "uefi": True,
        }
        journal.append(bmc, Event(Happened.BMC_IMPORTED, "bmc 192.168.77.202", outside), durable=True)
        journal.store.put_blob(json.dumps(make_recording()).encode())
    return folder


def save_private(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)


def backup(state: Path) -> tuple[bytes, Made]:
    out = io.BytesIO()
    made = run_backup(state, out, PASSPHRASE, work=QUICK)
    return out.getvalue(), made


def restore(content: bytes, state: Path, passphrase: str = PASSPHRASE, *, is_forced: bool = False) -> Restored:
    return run_restore(io.BytesIO(content), passphrase, state, is_forced=is_forced)


def read_tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def seal(content: bytes, passphrase: str = PASSPHRASE, work: int = QUICK) -> bytes:
    out = io.BytesIO()
    sealer = Sealer(out, passphrase, work)
    sealer.write(content)
    sealer.finish()
    return out.getvalue()
