"""What lies on the ESPs of an installation while it runs: where it is, and its state; at its end, that it is finished."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from installer.admin.esp import has_file, remove_file, save_file, sync_image
from installer.admin.state import make_tar
from installer.admin.where import FINISHED, STATE, WHERE, Where, render_where


@dataclass(slots=True)
class Marks:
    """`find_images`: the ESPs as mtools names them, freshly formatted by this installation.

    Asked at each use: a disk that is pulled and comes back has another name, and its old one may be another disk's by then.
    """

    find_images: Callable[[], Sequence[str]]
    where: Where

    def begin(self, state: Path) -> None:
        """Put where it is and its state on each: from now on a power loss forgets nothing. Raises RackstrapError."""
        self.note(self.where.stage)
        with tempfile.TemporaryDirectory(prefix=".install-", dir=state) as folder:
            tar = Path(folder) / "state.tar"
            make_tar(state, tar)
            for image in self.find_images():
                save_file(image, STATE, tar)
                sync_image(image)

    def note(self, stage: str) -> None:
        """Say how far it is."""
        self.where = replace(self.where, stage=stage, at=time.time())
        for image in self.find_images():
            save_file(image, WHERE, render_where(self.where))
            sync_image(image)

    def finish(self) -> None:
        """The last acts. All that was installed must be on the disk already."""
        self.where = replace(self.where, stage="finished", at=time.time())
        finish_esps(self.find_images(), self.where)


def finish_esps(images: Sequence[str], where: Where) -> None:
    """Mark each ESP as finished, then remove the state from it. May run again.

    The mark comes first: power that goes between the two leaves a finished installation, whose next start tidies up,
    and never one whose state is gone from the ESP without being known to be on the root.
    """
    for image in images:
        if not has_file(image, FINISHED):
            save_file(image, FINISHED, render_where(where))
            sync_image(image)
    for image in images:
        for path in (STATE, WHERE):
            remove_file(image, path)
        sync_image(image)
