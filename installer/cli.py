"""`rackstrap`: every verb, each in the module of what it is about, imported only when it is called.

A verb's module offers `add_VERB(parser)` and `run_VERB(args) -> exit code`. Exit codes: 0 done · 1 problems in the
input · 2 usage or unreadable · 3 stopped at a gate · 4 some nodes failed.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final

from installer import __version__
from installer.model.problems import RackstrapError

VERBS: Final[dict[str, tuple[str, str]]] = {
    "probe": ("installer.probe.verbs", "print this machine's facts"),
    "check": ("installer.site.verbs", "check a site file and print every problem"),
    "edit": ("installer.wizard.verbs", "change values of a site file"),
    "keyboard": ("installer.wizard.verbs", "give this machine's screen another keyboard"),
    "schema": ("installer.site.verbs", "print the site file's JSON Schema"),
    "plan": ("installer.engine.plan_verbs", "print what would be done, and to which disks"),
    "roles": ("installer.engine.plan_verbs", "list roles and what they need"),
    "preflight": ("installer.preflight.verbs", "look at links, DHCP, addresses, DNS, time and MTU before anything starts"),
    "network": ("installer.network.verbs", "show and set this machine's own network, which goes back unless confirmed"),
    "apply": ("installer.engine.verbs", "carry a site file out, or go on with it"),
    "install": ("installer.admin.verbs", "install this machine as the admin node, from the ISO onto its disk"),
    "status": ("installer.engine.verbs", "show nodes, what runs and what waits"),
    "report": ("installer.engine.report", "write down what is where, what was done and who consented"),
    "node": ("installer.engine.node_verbs", "look at nodes and act on them"),
    "bmc": ("installer.power.verbs", "find BMCs and import their credentials"),
    "serve": ("installer.serve.verbs", "run DHCP, TFTP, DNS and HTTP for the nodes"),
    "tui": ("screens.verbs", "lead through everything in a terminal, then watch the rack"),
    "agent": ("installer.node.verbs", "run on a node: report, take orders, install"),
    "headless": ("installer.live.verbs", "find the site file and carry it out with nobody watching"),
    "iso": ("installer.medium.verbs", "put a site file into a built admin ISO, or say what is inside one"),
    "backup": ("installer.keep.verbs", "write the whole state into one encrypted file"),
    "restore": ("installer.keep.verbs", "take the whole state from a backup, on this or another admin node"),
    "support": ("installer.keep.verbs", "write a bundle of logs, facts and versions for whoever helps, without secrets"),
    "lab": ("installer.lab.verbs", "a virtual rack to try Rackstrap on"),
}


def make_parser(only: str | None = None) -> argparse.ArgumentParser:
    """The whole command line, or the part of it that `only` needs."""
    parser = argparse.ArgumentParser(prog="rackstrap", description="From a rack of blank servers to a verified cloud.")
    parser.add_argument("--version", action="version", version=f"rackstrap {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, (module, summary) in VERBS.items():
        sub = verbs.add_parser(verb, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if only == verb:
            getattr(importlib.import_module(module), f"add_{verb}")(sub)
    return parser


def run(argv: Sequence[str]) -> int:
    """Run one verb; every expected failure is a line on stderr and an exit code, never a traceback."""
    only = next((word for word in argv if word in VERBS), None)
    args = make_parser(only).parse_args(argv)
    module = importlib.import_module(VERBS[args.verb][0])
    try:
        code = int(getattr(module, f"run_{args.verb}")(args))
        sys.stdout.flush()
    except RackstrapError as error:
        return _tell(error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _tell(explain_os_error(error))
    except KeyboardInterrupt:
        return 130
    return code


def explain_os_error(error: OSError) -> RackstrapError:
    """What no verb has put into words of its own: a folder that may not be read, a full disk."""
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    hint = "run as root, or name another place" if isinstance(error, PermissionError) else "put that right, and run this again"
    return RackstrapError(f"{where}{error.strerror or error}", hint)


def _tell(error: RackstrapError) -> int:
    print(f"rackstrap: {error.message}", *([f"  {error.hint}"] if error.hint else []), sep="\n", file=sys.stderr)  # noqa: T201
    return error.exit_code


def open_streams() -> None:
    """Put /dev/null where a standard stream was closed: the store must never be opened in the place of one."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or open(1, "w", closefd=False, encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False, encoding="utf-8")  # noqa: SIM115


def main() -> None:
    open_streams()
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
