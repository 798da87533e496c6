"""The files that the plan writes, one of them, and what differs from what was applied last."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from typing import Final

from installer.wizard.page import Action, Column, Go, Line, Lines, Outcome, Page, Refused, Row, Selection, Table
from installer.wizard.view import View

_HASH: Final = re.compile(r"\$[0-9A-Za-z]{1,8}\$[^\s'\"{}\[\]:;*!\\]{8,}")  # crypt(5): never on a screen that others share
MOST_LINES: Final = 2000
MOST_DIFFED: Final = 60  # files whose differences are shown line by line; the others are named
LONGEST_DIFFED: Final = 4000  # lines of a file beyond which it is named only: difflib is quadratic
PLAN: Final = frozenset({"plan"})


def make_files_page(view: View, _subject: str = "") -> Page:
    """Every rendered file with its number of lines."""
    files = view.plan.files if view.plan is not None else {}
    rows = tuple(Row(path, (path, str(text.count("\n") + 1))) for path, text in sorted(files.items()))
    columns = (Column("file", 60, grow=True), Column("lines", 6, right=True))
    empty = view.plan_problem or ("The plan is being made." if view.plan is None else "No file will be written.")
    actions = (Action("enter", "open", _open, "files", "Read the file."),)
    title = f"{len(rows)} file{'' if len(rows) == 1 else 's'}"
    return Page(
        "files",
        "Files",
        "Which files will be written?",
        (Table("files", columns, rows, empty, title=title),),
        actions,
        wants=PLAN,
    )


def _open(view: View, chosen: Selection) -> Outcome:
    is_there = view.plan is not None and chosen.row in view.plan.files
    return Go("file", chosen.row) if is_there else Refused("no file is chosen", "put the cursor on one")


def make_file_page(view: View, subject: str) -> Page:
    """The text of one file."""
    text = view.plan.files.get(subject) if view.plan is not None else None
    found = text.splitlines() if text is not None else ["The plan has no such file now. Esc goes back."]
    lines = [Line(line) for line in found[:MOST_LINES]]
    if len(found) > MOST_LINES:
        lines.append(Line(f"and {len(found) - MOST_LINES} more lines: `rackstrap plan --into DIR` writes them all"))
    return Page("file", subject, "What will be written?", (Lines("text", tuple(lines), subject),), subject=subject, wants=PLAN)


def make_changes_page(view: View, _subject: str = "") -> Page:
    """Unified differences of the site file and of every rendered file."""
    wants = frozenset({"plan", "applied"})
    question = "What differs from what was applied last?"
    if view.applied is None or not view.applied.text:
        says = (
            "The last applied site is being read." if view.applied is None else "Nothing has been applied yet: all of it is new."
        )
        return Page("changes", "Changes", question, (Lines("none", (Line(says),)),), wants=wants)
    site = tuple(Line(line) for line in _diff(view.applied.text, view.draft.text, "site.yaml"))
    parts = [Lines("site", site or (Line("The site file is the same."),), "Site file")]
    if view.plan is None:
        parts.append(Lines("files", (Line(view.plan_problem or "The plan is being made.", "wait"),), "Files"))
    else:
        found = tuple(Line(line) for line in _diff_files(view.applied.files, view.plan.files))
        parts.append(Lines("files", found or (Line("Every file is the same."),), "Files"))
    return Page("changes", "Changes", question, tuple(parts), help=("- was applied, + would be now.",), wants=wants)


def _diff_files(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    changed = sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))
    for path in changed[:MOST_DIFFED]:
        if path not in new:
            yield f"- {path}: no longer written"
        else:
            yield from _diff(old.get(path, ""), new[path], path)
    for path in changed[MOST_DIFFED:MOST_LINES]:
        yield f"{'+' if path not in old else '-' if path not in new else '*'} {path}"


def _diff(old: str, new: str, name: str) -> list[str]:
    before, after = old.splitlines(), new.splitlines()
    if before == after:
        return [] if old == new else [f"{name}: only the end of its last line differs"]
    if max(len(before), len(after)) > LONGEST_DIFFED:
        return [f"{name}: {len(before)} lines become {len(after)}"]
    differing = unified_diff(before, after, f"{name} applied", f"{name} now", lineterm="", n=2)
    found = [_HASH.sub("(a hash)", line) for line in differing]
    return found[:MOST_LINES] + ([f"and {len(found) - MOST_LINES} more lines"] if len(found) > MOST_LINES else [])
