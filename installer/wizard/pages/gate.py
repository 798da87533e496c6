"""The gate before anything is erased: consent for exactly what was shown, by typing the site's name; and admission by code."""

from __future__ import annotations

from installer.engine.node_changes import make_admission
from installer.model.codes import make_code
from installer.model.events import Event
from installer.model.ledger import Ledger, MachineEntry
from installer.model.problems import Place, Problem, RackstrapError
from installer.wizard.losses import Loss, find_losses, find_shown, make_consents, say_losses
from installer.wizard.page import Ask, Field, Go, Outcome, Refused, Selection, Told, Wished
from installer.wizard.view import View
from installer.wizard.wishes import Append, Apply, Wish

DEPLOY = Go("deploy")
CHANGED = Refused(
    "what would be erased has changed since it was shown: nothing was consented to", "read it again, then type the name"
)


def check_ready(view: View) -> Refused | None:
    """Why nothing can be started now; None when it can."""
    errors = [problem for problem in view.draft.problems if problem.severity == "error"]
    if errors:
        return Refused(f"the site file has an error: {errors[0].message}", errors[0].hint or "put it right first")
    if view.plan is None or view.draft.site is None:
        return Refused(view.plan_problem or "the plan is being made", "wait a moment, and try again")
    if view.plan.site != view.draft.site.name:
        return Refused("the plan is being made anew", "wait a moment, and try again")
    if view.running is not None and view.running.mode == "apply":
        return Refused("the deployment runs already", "n goes to it; s there stops it, then consent to more")
    return None


def start(view: View, _chosen: Selection) -> Outcome:
    """Ask for what is needed, then start."""
    problem = check_ready(view)
    if problem is not None:
        return problem
    losses, standing = find_losses(view), find_losses(view, "consented")
    if losses:
        return _ask_name(view, losses, standing)
    if standing:
        return _ask_standing(standing)
    return Wished((Apply(),), "the deployment begins; nothing is erased", DEPLOY)


def _ask_name(view: View, losses: tuple[Loss, ...], standing: tuple[Loss, ...]) -> Ask:
    assert view.draft.site is not None  # noqa: S101 - check_ready has said so
    name = view.draft.site.name
    shown, also = find_shown(losses), find_shown(standing)

    def check(text: str) -> Problem | None:
        return (
            None if text.strip() == name else Problem(Place(), "that is not the site's name", f"type {name}, or leave with Esc")
        )

    def follow(now: View, chosen: Selection) -> Outcome:
        return _take_name(now, chosen.text, name, shown, also)

    field = Field(
        "site", f"To erase and install, type the site's name ({name})", "text", "Esc leaves; nothing changes.", check=check
    )
    return Ask(field, follow, (*_say_count(losses), *say_losses(losses), *_say_standing(standing), *_say_waiting(view)))


def _take_name(
    view: View, text: str, name: str, shown: frozenset[tuple[object, ...]], also: frozenset[tuple[object, ...]]
) -> Outcome:
    """Consent to what was shown, and to nothing else: the view is the one of the answer's moment."""
    problem = check_ready(view)
    if problem is not None:
        return problem
    if text.strip() != name or view.draft.site is None or view.draft.site.name != name:
        return Refused("nothing was consented to: that is not the site's name", f"type {name} to erase and install")
    losses = find_losses(view)
    if find_shown(losses) != shown or find_shown(find_losses(view, "consented")) != also:
        return CHANGED
    try:
        events = make_consents(losses, name)
    except RackstrapError as error:
        return Refused(f"nothing was consented to: {error.message}", error.hint)
    disks = sum(len(loss.disks) for loss in losses)
    wishes: tuple[Wish, ...] = (Append(events, f"{_count(disks, 'disk')} may be erased, once"), Apply())
    return Wished(
        wishes, f"{_count(disks, 'disk')} of {_count(len(losses), 'node')} may be erased, once; the deployment begins", DEPLOY
    )


def _ask_standing(standing: tuple[Loss, ...]) -> Ask:
    """Everything to erase was consented to before: said once more, and begun on a yes."""
    shown = find_shown(standing)

    def follow(view: View, chosen: Selection) -> Outcome:
        problem = check_ready(view)
        if problem is not None:
            return problem
        if chosen.text != "yes":
            return Told("nothing has changed")
        if find_losses(view) or find_shown(find_losses(view, "consented")) != shown:
            return CHANGED
        return Wished((Apply(),), "the deployment begins", DEPLOY)

    choices = (("yes", "the deployment begins"), ("no", "nothing changes"))
    return Ask(Field("sure", "Begin", "choice", choices=choices, start="no"), follow, tuple(_say_standing(standing)))


def _say_count(losses: tuple[Loss, ...]) -> list[str]:
    disks = [disk for loss in losses for disk in loss.disks]
    held = sum(not disk.is_blank for disk in disks)
    first = f"{_count(len(disks), 'disk')} of {_count(len(losses), 'node')} will be erased for good."
    rest = (
        f"{_count(held, 'disk')} with something on {'it' if held == 1 else 'them'}, first:"
        if held
        else "None has anything on it:"
    )
    return [first, rest]


def _say_standing(standing: tuple[Loss, ...]) -> list[str]:
    if not standing:
        return []
    ways = sorted({loss.node.consent for loss in standing})
    disks = sum(len(loss.disks) for loss in standing)
    return [f"Consented to before, and erased too: {_count(disks, 'disk')} ({', '.join(ways)})", *say_losses(standing)]


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
