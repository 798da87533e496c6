"""Where files are saved to and read from: a path, or a removable volume."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from installer.live.volumes import BY_ID, SITE_NAME, Volume, find_volume, read_file, write_file
from installer.model.problems import RackstrapError
from installer.site.save import save_text
from installer.wizard.bench import Bench
from installer.wizard.view import Continuing, View
from installer.wizard.wishes import IsThereError, SaveReport, SaveSite

if TYPE_CHECKING:
    from installer.live.sources import Sighted

VOLUME: Final = "volume:"
SITE_FILE: Final = "site.yaml"
REPORT_FILE: Final = "report.txt"


def save_site(bench: Bench, volumes: tuple[Volume, ...], wish: SaveSite) -> str:
    """Write the draft there. Raises RackstrapError; IsThereError where another file would be replaced."""
    target = wish.target
    if not target.startswith(VOLUME):
        path = find_path(target, SITE_FILE)
        if not wish.over and path.exists() and str(path) != (bench.draft.file if bench.draft is not None else ""):
            raise IsThereError(f"{path} is there already")
        return bench.save_site(path)
    if bench.draft is None:
        raise RackstrapError("there is nothing to save yet")
    volume, name = find_volume(volumes, target)
    if not wish.over and (name or SITE_FILE) in volume.sites:
        raise IsThereError(f"{name or SITE_FILE} is there already, on {volume.title}")
    return _write(volumes, target, SITE_FILE, bench.draft.text)


def save_report(view: View, volumes: tuple[Volume, ...], wish: SaveReport) -> str:
    """Write the report there. Raises RackstrapError, as save_site."""
    from installer.engine.report import render_report

    text, target = render_report(view), wish.target
    if target.startswith(VOLUME):
        return _write(volumes, target, REPORT_FILE, text)
    path = find_path(target, REPORT_FILE)
    if not wish.over and path.exists():
        raise IsThereError(f"{path} is there already")
    save_text(path, text)
    return f"saved as {path}"


def open_site(bench: Bench, volumes: tuple[Volume, ...], target: str) -> str:
    """Go on from the site file there. Raises RackstrapError; the draft is then as it was."""
    if not target.startswith(VOLUME):
        return bench.open_site(find_path(target, SITE_FILE))
    volume, name = find_volume(volumes, target)
    if not name:
        if len(volume.sites) > 1:
            raise RackstrapError(f"there are {len(volume.sites)} site files on it", f"add its name: {target}/{volume.sites[0]}")
        name = volume.sites[0] if volume.sites else SITE_FILE
    content = read_file(volume.filesystem, BY_ID / volume.id, name)
    with tempfile.TemporaryDirectory(prefix="rackstrap-site-") as folder:
        copy = Path(folder) / (name if SITE_NAME.fullmatch(name) else SITE_FILE)
        copy.write_bytes(content)
        bench.adopt(bench.read_site(copy).text)
    return f"goes on from {name} on {volume.title}"


def open_offer(bench: Bench, sighted: Sighted) -> str:
    """Go on from a site file that was given, with the files that it names. Raises RackstrapError; the draft is then as it was."""
    from installer.live.given import take

    found = take(sighted, bench.state)
    if found.site is None:
        wrong = next((one for one in found.problems if one.severity == "error"), None)
        message = f"{wrong.place}: {wrong.message}" if wrong is not None else f"{found.says} is no site file"
        raise RackstrapError(message, wrong.hint if wrong is not None else "choose another")
    bench.open_site(found.path)
    held = f"; nothing may be erased by it: {found.doubt}" if found.withheld else ""
    return f"goes on from {found.says}{held}"


def find_path(target: str, name: str) -> Path:
    """The file that is meant; in a folder, one with this name. Raises RackstrapError."""
    text = target.strip()
    if not text or "\0" in text:
        raise RackstrapError("this is no path", "type one, as /root/site.yaml")
    path = Path(text).expanduser().absolute()
    return path / name if path.is_dir() else path


def make_continuing(volumes: tuple[Volume, ...]) -> tuple[Continuing, ...]:
    """What may be gone on from on removable volumes."""
    return tuple(
        Continuing("volume", f"{name} on {volume.title}", f"{VOLUME}{volume.id}/{name}")
        for volume in volumes
        for name in volume.sites
    )


def _write(volumes: tuple[Volume, ...], target: str, name: str, text: str) -> str:
    volume, chosen = find_volume(volumes, target)
    write_file(volume.filesystem, BY_ID / volume.id, chosen or name, text.encode())
    return f"saved as {chosen or name} on {volume.title}; it may be pulled out now"
