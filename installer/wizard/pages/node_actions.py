"""What is done to machines from the nodes page and from a machine's own: each takes the chosen rows, one or a thousand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from installer.engine.node_changes import check_label, make_admission, make_deletion, make_leaving_out, make_retry
from installer.model.codes import make_code
from installer.model.events import Event, Happened
from installer.model.ledger import Ledger, MachineEntry
from installer.model.problems import Problem, RackstrapError
from installer.model.site import Site
from installer.site.save import REMOVED
from installer.wizard.nodes_file import Changes, Member, find_members, is_own, make_edits, make_removal
from installer.wizard.page import Edited, Field, Outcome, Refused, Selection, Told, Wished
from installer.wizard.pages.asking import ask_one, ask_text, ask_word, ask_yes, join_titles, make_problem, shorten
from installer.wizard.view import View
from installer.wizard.wishes import Append, Wish


def pick_members(view: View, selection: Selection) -> tuple[Member, ...]:
    """The members chosen, in natural order. Raises RackstrapError when none is."""
    picked = find_members(view).pick(selection.rows)
    if not picked:
        raise RackstrapError("no machine is chosen", "put the cursor on one, or mark some with Space")
    return picked


def pick_machines(view: View, selection: Selection) -> tuple[Member, ...]:
    """As pick_members: those that have been found. Raises RackstrapError when one has not."""
    picked = pick_members(view, selection)
    missing = [member.title for member in picked if not member.entry.id]
    if missing:
        raise RackstrapError(f"{join_titles(missing)} has not been found yet", "power it on to boot by PXE")
    return picked


def guarded(does: Callable[[View, Selection], Outcome]) -> Callable[[View, Selection], Outcome]:
    """The action, with what it refuses as an outcome."""

    def guard(view: View, selection: Selection) -> Outcome:
        try:
            return does(view, selection)
        except RackstrapError as error:
            return Refused(error.message, error.hint)

    return guard


def find_site(view: View) -> Site:
    """The draft's site. Raises RackstrapError with its first problem where it has none."""
    if view.draft.site is None:
        problem = next(iter(view.draft.problems), None)
        hint = f"{problem.message}; {problem.hint}" if problem else "open another"
        raise RackstrapError("the site file cannot be read as it stands", hint)
    return view.draft.site


def make_edited(view: View, wanted: dict[str, Changes], says: str, wishes: tuple[Wish, ...] = ()) -> Edited:
    """The outcome that gives these members these values. Raises RackstrapError."""
    edits = make_edits(find_site(view), view.draft.loaded.document, find_members(view), wanted)
    return Edited(edits, says, wishes=wishes)


@guarded
def admit(view: View, selection: Selection) -> Outcome:
    """Compare the codes, then admit."""
    waiting = [m for m in pick_machines(view, selection) if not m.entry.admitted or m.entry.claims]
    if not waiting:
        return Told("admitted already")
    if len(waiting) == 1 and len(waiting[0].entry.claims) > 1:
        return _ask_claim(waiting[0])
    undecided = [member.title for member in waiting if len(member.entry.claims) > 1]
    if undecided:
        return Refused(
            f"several machines claim to be {join_titles(undecided)}", "admit it alone: its console shows the right code"
        )
    says = ["Go to each console: does it show the same code?"] if len(waiting) > 1 else ["Does its console show this code?"]
    says += [f"  {_find_code(member.entry)}  {member.title}{_describe_claim(member)}" for member in waiting]
    keys = tuple((member.key, _find_code(member.entry)) for member in waiting)
    return ask_yes("Admit", says, "they match: it may take part, nothing on it changes", partial(_follow_admission, keys=keys))


def _find_code(entry: MachineEntry) -> str:
    return make_code(entry.claims[0]) if entry.claims else entry.code


def _describe_claim(member: Member) -> str:
    return ", which someone claims to be" if member.entry.claims else ""


def _ask_claim(member: Member) -> Outcome:
    codes = [(make_code(key), "its console shows this one") for key in member.entry.claims]
    says = [f"{len(codes)} machines claim to be {member.title}. Go to its console: which code does it show?"]

    def follow(view: View, code: str) -> Outcome:
        return _follow_admission(view, ((member.key, code),))

    return ask_one("code", "Code", codes, follow, says)


def _follow_admission(view: View, keys: tuple[tuple[str, str], ...]) -> Outcome:
    """Admit those that still have the code that was compared: another may have enrolled while the person walked."""
    events: list[Event] = []
    for key, code in keys:
        entry = view.ledger.machines.get(key)
        codes = {make_code(claim) for claim in entry.claims} if entry and entry.claims else {entry.code if entry else ""}
        if entry is None or code not in codes:
            return Refused("another machine has enrolled in its place since", "compare its code with the console once more")
        word = code if entry.claims else key
        events += make_admission(Ledger(machines={key: entry}), word).events
    one = (
        f"{find_members(view).by_key[keys[0][0]].title} may take part"
        if len(keys) == 1
        else f"{len(keys)} machines may take part"
    )
    return Wished((Append(tuple(events), one),), one)


@guarded
def group(view: View, selection: Selection) -> Outcome:
    """Put them into a group."""
    picked = pick_members(view, selection)
    keys = tuple(member.key for member in picked)

    def check(text: str) -> Problem | None:
        try:
            check_label(text.strip(), "group") if text.strip() else None
        except RackstrapError as error:
            return make_problem(error.message, error.hint)
        return None

    field = Field(
        "group",
        "Group",
        help="lower-case letters, digits and hyphens; empty: none",
        check=check,
        start=find_group(view, picked[0]),
    )
    return ask_text(field, lambda now, text: _follow_group(now, keys, text.strip()), (_say_which(picked),))


def find_group(view: View, member: Member) -> str:
    """The group that a plan gives: the ledger's word first, then the site file's."""
    site = view.draft.site
    from_file = site.nodes[member.rule].group if site is not None and member.rule >= 0 else ""
    return from_file if member.entry.group is None else member.entry.group


def _follow_group(view: View, keys: tuple[str, ...], name: str) -> Outcome:
    picked = find_members(view).pick(keys)
    wanted: dict[str, Changes] = {member.key: {"group": name or REMOVED} for member in picked}
    stale = [m.entry for m in picked if m.entry.group is not None and m.entry.group != name]
    events = tuple(Event(Happened.GROUP_SET, entry.id, {"group": name}) for entry in stale)
    says = f"{join_titles([m.title for m in picked])}: {f'group {name}' if name else 'no group'}"
    return make_edited(view, wanted, says, (Append(events, says),) if events else ())


def _say_which(picked: tuple[Member, ...]) -> str:
    return f"For {join_titles([member.title for member in picked])}."


@guarded
def forget(view: View, selection: Selection) -> Outcome:
    """Delete machines from the ledger, and entries that are for them alone from the site file."""
    picked = pick_members(view, selection)
    title = picked[0].title if len(picked) == 1 else str(len(picked))
    label = f"To forget {'it' if len(picked) == 1 else 'them'}, type {title}"
    says = [
        "Names and addresses become free; disks and power are untouched.",
        "Entries of the site file that are for one of them alone go too.",
    ]
    says += [f"  {member.title}, {describe_state(member)}" for member in picked]
    keys = tuple(member.key for member in picked)
    return ask_word(title, label, shorten(says), lambda now: _follow_forgetting(now, keys))


def describe_state(member: Member) -> str:
    """`ready, installed` reads badly: the state, and whether an installation would be forgotten."""
    state = "left out" if member.entry.left_out else member.entry.state
    return (
        "still to come" if not member.entry.id else f"{state}: its installation is forgotten" if member.entry.installed else state
    )


def _follow_forgetting(view: View, keys: tuple[str, ...]) -> Outcome:
    members = find_members(view)
    picked = members.pick(keys)
    says = f"{join_titles([m.title for m in picked])} forgotten"
    events = tuple(event for m in picked if m.entry.id for event in make_deletion(m.entry).events)
    wishes = (Append(events, says),) if events else ()
    site = view.draft.site
    if site is None or not any(m.rule >= 0 and is_own(site.nodes[m.rule]) for m in picked):
        return Wished(wishes, says)
    return Edited(make_removal(site, view.draft.loaded.document, members, keys), says, wishes=wishes)


@guarded
def retry(view: View, selection: Selection) -> Outcome:
    picked = pick_machines(view, selection)
    events = tuple(event for member in picked for event in make_retry(member.entry).events)
    says = f"{join_titles([m.title for m in picked])}: tried again"
    return Wished((Append(events, says),), says)


@guarded
def leave_out(view: View, selection: Selection) -> Outcome:
    picked = pick_machines(view, selection)
    events = tuple(event for member in picked for event in make_leaving_out(member.entry).events)
    says = f"{join_titles([m.title for m in picked])}: left out; the others go on, r brings it back"
    return Wished((Append(events, says),), says)
