"""Who may log in to the live system: the site file's keys and password, put where the login service of this boot takes them.

Only from a file that is trusted: whoever logs in as root can erase what the file itself may not.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from installer.model.site import Access

FOLDER: Final = Path("/run/rackstrap/access")


def save_access(access: Access, folder: Path = FOLDER) -> bool:
    """Take these keys and this password hash in place of the password of this boot. False where the site has neither."""
    files = {
        "password_hash": f"{access.password_hash}\n" if access.password_hash else "",
        "authorized_keys": "".join(f"{key}\n" for key in access.ssh_keys),
    }
    if not any(files.values()):
        return False
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in files.items():
        fresh = folder / f".{name}.{os.getpid()}"
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        fresh.replace(folder / name)
    return True
