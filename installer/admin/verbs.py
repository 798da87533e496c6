"""`rackstrap install`: this machine becomes the admin node that runs from its own disk."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from installer.model.problems import RackstrapError
from installer.serve.verbs import find_image_dir, find_state_dir

if TYPE_CHECKING:
    from installer.admin.telling import Telling


def add_install(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("site", type=Path, nargs="?", metavar="SITE", help="the site file; the one that was kept, without it")
    parser.add_argument(
        "--erase", action="append", default=[], metavar="DISK_ID", help="allow this disk to be erased; again for a mirror"
    )
    parser.add_argument("--dry-run", action="store_true", help="tell what would be done, touch nothing")
    parser.add_argument("--json", action="store_true", help="print lines of JSON")
    parser.add_argument(
        "--state", type=Path, metavar="DIR", default=find_state_dir(), help="where everything is kept (RACKSTRAP_STATE)"
    )
    parser.add_argument("--image", type=Path, metavar="DIR", default=find_image_dir(), help="the image (RACKSTRAP_IMAGE)")
    parser.add_argument("--beside", type=Path, metavar="DIR", help="where relative paths in SITE begin, if not in its own folder")
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--find", action="store_true", help="tell which installations this machine's disks carry; writes nothing")
    ways.add_argument("--recover", action="store_true", help="take back what an unfinished installation has kept on the disk")
    ways.add_argument(
        "--continue",
        dest="goes_on",
        action="store_true",
        help="on the installed admin node: go on with the rack until all is done",
    )


def run_install(args: argparse.Namespace) -> int:
    from installer.admin.telling import Telling

    if args.find:
        return run_find(is_json=args.json)
    if args.recover:
        return run_take_back(args.state.absolute(), Telling(args.json))
    if args.goes_on:
        from installer.admin.going_on import run_going_on

        return run_going_on(args.state.absolute(), args.image.absolute())
    from installer.admin.run import run_install_site

    return run_install_site(args, Telling(args.json))


def run_find(*, is_json: bool) -> int:
    """What is on the disks: finished, unfinished with its stage, or nothing."""
    from installer.admin.find import dump_installation, find_esps, find_installations, find_who, render_installation

    found, doubts = find_installations(find_esps(), find_who())
    if is_json:
        print(json.dumps({"installations": [dump_installation(one) for one in found], "doubts": list(doubts)}))  # noqa: T201
        return 0
    for line in (*map(render_installation, found), *doubts):
        print(line)  # noqa: T201
    if not found and not doubts:
        print("no admin node was installed on this machine's disks")  # noqa: T201
    return 0


def run_take_back(state: Path, telling: Telling) -> int:
    """At the start of a live system. 0 also where there is nothing to take back."""
    from installer.admin.find import find_esps, find_installations, find_who, render_installation
    from installer.admin.recover import run_recover
    from installer.live.boot import find_boot
    from installer.node.programs import run_program

    if find_boot().source != "medium":
        raise RackstrapError("this machine was not started from the admin ISO", "nothing was touched")
    run_program(("udevadm", "settle", "--timeout=30"))
    found, doubts = find_installations(find_esps(), find_who())
    telling.tell(*doubts, *map(render_installation, found))
    taken = run_recover(found, state)
    if taken is None:
        return telling.result(0, "Nothing had to be taken back.")
    one, count = taken
    return telling.result(0, f"The installation of {one.where.hostname} was at {one.where.stage}; {count} files were taken back.")
