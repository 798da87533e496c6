"""Options of roles as fields: from every role.yaml, so that a role that is dropped in is asked for by itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from installer.plan.options import find_family
from installer.plan.roles import Option, OptionType, Role
from installer.site.spelled import find_written
from installer.wizard.page import Action, Column, Go, Outcome, Row, Selection, Table, Told
from installer.wizard.section_fields import Form, Leaf, make_label, show
from installer.wizard.sections import find_leaf_value, find_mood, find_problems, make_notes
from installer.wizard.view import View

NAME: Final = "roles"
_FORMS: Final[Mapping[OptionType, Form]] = {
    "string": "text", "integer": "whole", "number": "number", "boolean": "flag", "list": "list", "map": "yaml",
}  # fmt: skip


def find_role_names(view: View) -> tuple[str, ...]:
    """What options can be set for: each family of roles (swift for swift-proxy) that has any, and what the file names besides."""
    families = dict.fromkeys(find_family(role.name) for role in view.roles.values() if role.options)
    is_written, written = find_written(view.draft.loaded.document, (NAME,))
    named = written if is_written and isinstance(written, dict) else {}
    return tuple(sorted({*families, *named}))


def find_roles_meant(roles: Mapping[str, Role], name: str) -> tuple[Role, ...]:
    """The roles that a name in `roles:` speaks for: the role of that name, and all of that family."""
    return tuple(role for role in roles.values() if name in (role.name, find_family(role.name)))


def make_option_leaves(view: View, name: str) -> tuple[Leaf, ...]:
    """Every option that may be set under this name, with its default."""
    found: dict[str, Option] = {}
    for role in find_roles_meant(view.roles, name):
        found = {**role.options, **found}
    return tuple(_make_leaf(name, option) for option in found.values())


def _make_leaf(name: str, option: Option) -> Leaf:
    path = (NAME, name, option.name)
    form: Form = "yaml" if option.items else _FORMS[option.type]
    bounds = [f"{word} {limit:g}" for word, limit in (("at least", option.min), ("at most", option.max)) if limit is not None]
    told = [option.help.rstrip("."), *bounds]
    if option.items:
        keys = ", ".join(f"{key}: …" for key in option.items)
        told.append(f"write it as [{{{keys}}}]")
    text = "; ".join(word for word in told if word)
    return Leaf(path, form, make_label(path), f"{text}." if text else "", option.choices, option.default)


def make_roles_table(view: View) -> Table:
    """What has options, with those that differ from their default."""
    rows = []
    for name in find_role_names(view):
        values = [(leaf, *find_leaf_value(view.draft, leaf)) for leaf in make_option_leaves(view, name)]
        changed = [f"{leaf.path[-1]} {show(leaf, value)}" for leaf, value, origin in values if origin not in ("default", "")]
        problems = find_problems(view.draft, (NAME, name))
        told = ", ".join(changed) or (f"{len(values)} options, all default" if values else "no such role")
        rows.append(Row(name, (name, told), make_notes(problems), find_mood(problems)))
    return Table(NAME, (Column("role", 16), Column("", 40, grow=True)), tuple(rows), "No role here has options.")


def make_roles_action() -> Action:
    """Opens the options under the cursor."""

    def open_role(_: View, chosen: Selection) -> Outcome:
        return Go("section", f"{NAME}.{chosen.row}") if chosen.row else Told("No role here has options.")

    return Action("enter", "open", open_role, NAME, "Opens the options of the role under the cursor.")
