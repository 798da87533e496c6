"""The gate before anything is erased: consent for exactly what was shown, by typing the site's name; and admission by code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from installer.engine.node_changes import make_admission
from installer.model.codes import make_code
from installer.model.events import Event
from installer.model.ledger import Ledger, MachineEntry
from installer.model.problems import Place, Problem, RackstrapError
from installer.wizard import own
from installer.wizard.losses import Loss, Lost, find_losses, find_shown, make_consents, say_losses
from installer.wizard.page import Ask, Field, Go, Outcome, Refused, Selection, Told, Wished
from installer.wizard.view import View
from installer.wizard.wishes import Append, Apply, InstallAdmin, Wish

# all: the site, with this machine first where it was started from the ISO to be installed. own: this machine alone.
Scope = Literal["all", "own"]
DEPLOY = Go("deploy")
CHANGED = Refused(
    "what would be erased has changed since it was shown: nothing was consented to", "read it again, then type the name"
)
ANEW = Refused("the plan is being made anew", "wait a moment, and try again")


@dataclass(frozen=True, slots=True)
class Asked:
    """What one answer is about: this machine's own disks, and the nodes'."""

    own: tuple[own.OwnLoss, ...]
    nodes: tuple[Loss, ...]

    @property
    def all(self) -> tuple[Lost, ...]:
        return (*self.own, *self.nodes)

    @property
    def shown(self) -> frozenset[tuple[object, ...]]:
        return find_shown(self.all)


def find_asked(view: View, scope: Scope, wanted: Literal["asks", "consented"]) -> Asked:
    """What asks for consent, or has it without having begun; this machine only where it is to be installed."""
    mine = own.find_own_losses(view, wanted) if has_own(view, scope) else ()
    return Asked(mine, () if scope == "own" else find_losses(view, wanted))


def has_own(view: View, scope: Scope) -> bool:
    """Whether this machine is installed by it."""
    return own.can_install(view) if scope == "own" else own.is_wanted(view)


def check_ready(view: View, scope: Scope = "all") -> Refused | None:
    """Why nothing can be started now; None when it can."""
    errors = [problem for problem in view.draft.problems if problem.severity == "error"]
    if errors:
        return Refused(f"the site file has an error: {errors[0].message}", errors[0].hint or "put it right first")
    if view.plan is None or view.draft.site is None:
        return Refused(view.plan_problem or "the plan is being made", "wait a moment, and try again")
    if view.plan.site != view.draft.site.name:
        return ANEW
    if view.running is not None and view.running.mode == "install":
        return Refused("this machine is being installed already", "n goes to it; the rack follows by itself")
    if view.running is not None and view.running.mode == "apply":
        return Refused("the deployment runs already", "n goes to it; s there stops it, then consent to more")
    return _check_own(view) if has_own(view, scope) else None


def _check_own(view: View) -> Refused | None:
    """Why this machine cannot be installed now."""
    match own.find_standing(view):
        case "problem":
            message, hint = own.say_problem(view)
            return Refused(f"this machine cannot be installed: {message}", hint)
        case "planning":
            return Refused("the plan is being made", "wait a moment, and try again")
        case "unpacked":
            return Refused("this machine is installed: it starts from its disk now", "wait for this screen to come back")
    return ANEW if own.is_stale(view) else None


def start(view: View, _chosen: Selection, scope: Scope = "all") -> Outcome:
    """Ask for what is needed, then start."""
    problem = check_ready(view, scope)
    if problem is not None:
        return problem
    asked, before = find_asked(view, scope, "asks"), find_asked(view, scope, "consented")
    if asked.all:
        return _ask_name(view, scope, asked, before)
    if before.all:
        return _ask_standing(view, scope, before)
    return Wished((make_wish(view, scope),), f"{say_begin(view, scope)}; nothing more is erased", DEPLOY)


def start_own(view: View, chosen: Selection) -> Outcome:
    """The same for this machine alone."""
    return start(view, chosen, "own")


def make_wish(view: View, scope: Scope = "all") -> Wish:
    """What carries it out: with this machine, its installation, which goes on with the rack from the disk."""
    return InstallAdmin() if has_own(view, scope) else Apply()


def say_begin(view: View, scope: Scope) -> str:
    return "this machine is installed first, then it goes on with the rack" if has_own(view, scope) else "the deployment begins"


def _ask_name(view: View, scope: Scope, asked: Asked, before: Asked) -> Ask:
    assert view.draft.site is not None  # noqa: S101 - check_ready has said so
    name = view.draft.site.name
    shown, also = asked.shown, before.shown

    def check(text: str) -> Problem | None:
        return (
            None if text.strip() == name else Problem(Place(), "that is not the site's name", f"type {name}, or leave with Esc")
        )

    def follow(now: View, chosen: Selection) -> Outcome:
        return _take_name(now, chosen.text, name, scope, (shown, also))

    field = Field(
        "site", f"To erase and install, type the site's name ({name})", "text", "Esc leaves; nothing changes.", check=check
    )
    waiting = _say_waiting(view) if scope == "all" else []
    says = (*_say_count(asked), *_say_own_mark(asked), *say_losses(asked.all), *_say_standing(before), *waiting)
    return Ask(field, follow, says)


def _take_name(view: View, text: str, name: str, scope: Scope, shown: tuple[frozenset[tuple[object, ...]], ...]) -> Outcome:
    """Consent to what was shown, and to nothing else: the view is the one of the answer's moment."""
    problem = check_ready(view, scope)
    if problem is not None:
        return problem
    if text.strip() != name or view.draft.site is None or view.draft.site.name != name:
        return Refused("nothing was consented to: that is not the site's name", f"type {name} to erase and install")
    asked = find_asked(view, scope, "asks")
    if (asked.shown, find_asked(view, scope, "consented").shown) != shown:
        return CHANGED
    try:
        events = (*(own.make_own_consent(view, loss) for loss in asked.own), *make_consents(asked.nodes, name))
    except RackstrapError as error:
        return Refused(f"nothing was consented to: {error.message}", error.hint)
    disks = _count(sum(len(loss.disks) for loss in asked.all), "disk")
    wishes: tuple[Wish, ...] = (Append(events, f"{disks} may be erased, once"), make_wish(view, scope))
    return Wished(wishes, f"{disks} of {_say_whose(asked)} may be erased, once; {say_begin(view, scope)}", DEPLOY)


def _ask_standing(view: View, scope: Scope, before: Asked) -> Ask:
    """Everything to erase was consented to before: said once more, and begun on a yes."""
    shown, begins = before.shown, say_begin(view, scope)

    def follow(now: View, chosen: Selection) -> Outcome:
        problem = check_ready(now, scope)
        if problem is not None:
            return problem
        if chosen.text != "yes":
            return Told("nothing has changed")
        if find_asked(now, scope, "asks").all or find_asked(now, scope, "consented").shown != shown:
            return CHANGED
        return Wished((make_wish(now, scope),), say_begin(now, scope), DEPLOY)

    choices = (("yes", begins), ("no", "nothing changes"))
    return Ask(Field("sure", "Begin", "choice", choices=choices, start="no"), follow, tuple(_say_standing(before)))


def _say_whose(asked: Asked) -> str:
    """`the admin node and 12 nodes`."""
    whose = ["the admin node"] if asked.own else []
    return " and ".join(whose + ([_count(len(asked.nodes), "node")] if asked.nodes else []))


def _say_count(asked: Asked) -> list[str]:
    disks = [disk for loss in asked.all for disk in loss.disks]
    held = sum(not disk.is_blank for disk in disks)
    first = f"{_count(len(disks), 'disk')} of {_say_whose(asked)} will be erased for good."
    where = " (the admin node's own first)" if asked.own and asked.nodes else ", first" if asked.nodes else ""
    rest = f"{_count(held, 'disk')} with something on {'it' if held == 1 else 'them'}{where}:"
    return [first, rest if held else "None has anything on it:"]


def _say_own_mark(asked: Asked) -> list[str]:
    """An installation of Rackstrap may be a working admin node: it is named before it goes."""
    marked = any(disk.has_own_mark for loss in asked.own for disk in loss.disks)
    return ["This machine's disk carries an INSTALLATION OF RACKSTRAP: it is lost with it."] if marked else []


def _say_standing(before: Asked) -> list[str]:
    if not before.all:
        return []
    ways = sorted({loss.consent for loss in before.all})
    disks = sum(len(loss.disks) for loss in before.all)
    return [f"Consented to before, and erased too: {_count(disks, 'disk')} ({', '.join(ways)})", *say_losses(before.all)]


def _say_waiting(view: View) -> list[str]:
    waiting = find_waiting(view)
    if not waiting:
        return []
    return [f"{_count(len(waiting), 'node')} will wait until admitted (a on the review page compares codes)."]


def find_waiting(view: View) -> tuple[tuple[str, MachineEntry], ...]:
    """The plan's machines that are not admitted, or that someone else claims to be: node's name and entry."""
    found = []
    for node in view.plan.nodes if view.plan is not None else ():
        entry = view.ledger.machines.get(node.machine)
        if entry is not None and not entry.left_out and (not entry.admitted or entry.claims):
            found.append((node.name, entry))
    return tuple(found)


def admit(view: View, _chosen: Selection) -> Outcome:
    """Show the code of each machine of this plan that waits, and admit exactly these on a yes."""
    waiting = find_waiting(view)
    if not waiting:
        return Told("every machine of this plan is admitted")
    claimed = [name for name, entry in waiting if len(entry.claims) > 1]
    pairs = tuple((name, entry.id, _find_code(entry)) for name, entry in waiting if len(entry.claims) <= 1)
    if not pairs:
        return Refused(f"several machines claim to be {claimed[0]}", "compare codes on its own page (Nodes, Enter)")
    says = ["Does each console show this code?", *(f"  {code}  {name}" for name, _, code in pairs)]
    says += [f"  left aside: {name}, which several machines claim to be" for name in claimed]

    def follow(now: View, chosen: Selection) -> Outcome:
        return _follow_admission(now, pairs) if chosen.text == "yes" else Told("nothing has changed")

    choices = (("yes", "they match: they may take part"), ("no", "nothing changes"))
    return Ask(Field("sure", "Admit", "choice", choices=choices, start="no"), follow, tuple(says))


def _follow_admission(view: View, pairs: tuple[tuple[str, str, str], ...]) -> Outcome:
    events: list[Event] = []
    for name, key, code in pairs:
        entry = view.ledger.machines.get(key)
        if entry is None or len(entry.claims) > 1 or _find_code(entry) != code:
            return Refused(f"another machine has enrolled as {name} since: none was admitted", "compare the codes once more")
        events += make_admission(Ledger(machines={key: entry}), code if entry.claims else key).events
    says = f"{_count(len(pairs), 'machine')} may take part"
    return Wished((Append(tuple(events), says),), says)


def _find_code(entry: MachineEntry) -> str:
    return make_code(entry.claims[0]) if entry.claims else entry.code


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
