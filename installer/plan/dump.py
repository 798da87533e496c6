"""The plan as JSON: the same plan gives the same bytes."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

from installer.model.plan import Action, Plan, Step
from installer.model.problems import Problem
from installer.plan.roles import Role


def dump_plan(plan: Plan, *, with_files: bool = False) -> str:
    """One JSON object with sorted keys: site, nodes, steps, problems, consents; `files` by path on request."""
    data: dict[str, Any] = {
        "site": plan.site,
        "nodes": [asdict(node) for node in plan.nodes],
        "steps": [_make_step(step) for step in plan.steps],
        "problems": [make_problem_row(problem) for problem in plan.problems],
        "consents": plan.consents,
    }
    if with_files:
        data["files"] = plan.files
    return json.dumps(data, sort_keys=True, indent=1) + "\n"


def _make_step(step: Step) -> dict[str, Any]:
    row = {f.name: getattr(step, f.name) for f in fields(step)}
    row |= {
        "key": str(step.key),
        "needs": [str(need) for need in step.needs],
        "actions": [_make_action(action) for action in step.actions],
    }
    return row


def _make_action(action: Action) -> dict[str, Any]:
    """The action with its type's name; an order's kind is its own field."""
    return {"action": type(action).__name__, **asdict(action)}


def make_problem_row(problem: Problem) -> dict[str, Any]:
    """A problem as a flat JSON object."""
    return {
        "place": str(problem.place),
        "path": list(problem.place.path),
        "severity": problem.severity,
        "message": problem.message,
        "hint": problem.hint,
    }


def dump_roles(roles: dict[str, Role]) -> str:
    """All roles as one JSON object with sorted keys."""
    rows = {name: {**asdict(role), "folder": str(role.folder)} for name, role in roles.items()}
    return json.dumps(rows, sort_keys=True, indent=1) + "\n"
