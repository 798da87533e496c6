"""`rackstrap backup`, `rackstrap restore` and `rackstrap support`."""

from __future__ import annotations

import argparse
from pathlib import Path

from installer.model.problems import RackstrapError
from installer.serve.verbs import find_image_dir, find_state_dir


def add_backup(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="where to: a path, or volume:LABEL/NAME on a removable volume")
    _add_state(parser)
    _add_passphrase(parser)


def add_restore(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a backup: a path, or volume:LABEL/NAME on a removable volume")
    _add_state(parser)
    _add_passphrase(parser)
    parser.add_argument("--force", action="store_true", help="move a state that is there already aside, and keep it")


def _add_state(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state", type=Path, metavar="DIR", default=find_state_dir(), help="where everything is kept (RACKSTRAP_STATE)"
    )


def _add_passphrase(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--passphrase-file",
        metavar="FILE",
        default="",
        help="a root-only file with the passphrase, or - for a line of input; asked for without this",
    )


def add_support(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        default="",
        help="where to: a path, a folder, or volume:LABEL; the working folder without it",
    )
    _add_state(parser)
    parser.add_argument("--image", type=Path, metavar="DIR", default=find_image_dir(), help="the built image (RACKSTRAP_IMAGE)")


def run_backup(args: argparse.Namespace) -> int:
    """Exit code 2, and no file, where anything is wrong."""
    from installer.keep import backup
    from installer.keep.passphrase import ask_passphrase
    from installer.keep.place import open_out
    from installer.keep.words import render_backup
    from installer.live.boot import find_boot

    state = args.state.absolute()
    backup.check_state(state)
    root = Path("/") if find_boot().source == "disk" else None
    with open_out(args.file, state) as (out, room):
        made = backup.run_backup(state, out, ask_passphrase(args.passphrase_file, is_new=True), root, room)
    _say(*render_backup(made, args.file))
    return 0


def run_restore(args: argparse.Namespace) -> int:
    """Exit code 2, and nothing changed, where anything is wrong."""
    from installer.keep import restore
    from installer.keep.age import NotOpenedError
    from installer.keep.passphrase import ask_passphrase
    from installer.keep.place import open_in
    from installer.keep.words import render_restored

    state = args.state.absolute()
    restore.check_free(state, is_forced=args.force)
    try:
        with open_in(args.file) as source:
            passphrase = ask_passphrase(args.passphrase_file, is_new=False)
            restored = restore.run_restore(source, passphrase, state, is_forced=args.force)
    except NotOpenedError as error:
        raise RackstrapError(
            f"{args.file} cannot be restored: {error.message}", f"nothing was changed; {error.hint or 'try another one'}"
        ) from error
    _say(*render_restored(restored, state))
    return 0


def run_support(args: argparse.Namespace) -> int:
    """Exit code 0 also where sources are missing: the bundle says which."""
    import time

    from installer.keep import bundle
    from installer.keep.known import find_secrets
    from installer.keep.place import open_out
    from installer.keep.redact import Redactor
    from installer.keep.sources import list_sources
    from installer.keep.words import render_support

    at, state = time.time(), args.state.absolute()
    target = bundle.make_target(args.file, bundle.make_stem(at))
    with open_out(target) as (out, _):
        found = bundle.make_bundle(list_sources(state, args.image.absolute()), Redactor(find_secrets(state)))
        bundle.save_bundle(out, found, bundle.make_stem(at), at)
    _say(*render_support(found, target))
    return 0


def _say(*lines: str) -> None:
    print(*lines, sep="\n")  # noqa: T201
