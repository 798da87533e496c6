"""The house rules that a program can check."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent


def find_tracked(*patterns: str) -> list[Path]:
    listing = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, check=True, capture_output=True, text=True)
    return [ROOT / line for line in listing.stdout.splitlines() if (ROOT / line).is_file()]


def run_check(*argv: str) -> None:
    done = subprocess.run(argv, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_format() -> None:
    run_check(str(BIN / "ruff"), "format", "--no-cache", "--check", ".")


def test_ruff_lint() -> None:
    run_check(str(BIN / "ruff"), "check", "--no-cache", ".")


def test_types() -> None:
    run_check(str(BIN / "mypy"))


def test_shell_scripts() -> None:
    scripts = [p for p in find_tracked() if re.match(rb"#! ?/bin/(ba)?sh", p.read_bytes()[:12])]
    assert scripts
    run_check("shellcheck", *map(str, scripts))


def find_imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize(
    ("where", "forbidden"),
    [
        ("installer/**/*.py", ("textual", "screens")),
        (
            "installer/model/*.py",
            ("installer.probe", "installer.site", "installer.engine", "installer.serve", "os", "subprocess"),
        ),
        ("installer/plan/*.py", ("installer.engine", "installer.serve", "subprocess")),
        ("installer/node/*.py", ("pydantic", "sqlalchemy", "starlette", "installer.engine", "installer.serve", "installer.plan")),
    ],
)
def test_import_direction(where: str, forbidden: tuple[str, ...]) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in ROOT.glob(where)
        for name in sorted(find_imports(path))
        for banned in forbidden
        if name == banned or name.startswith(banned + ".")
    ]
    assert wrong == []


def test_no_file_past_300_lines_and_no_function_past_40() -> None:
    wrong = []
    for path in find_tracked("installer/*.py", "screens/*.py"):
        text = path.read_text()
        if text.count("\n") > 300:
            wrong.append(f"{path.relative_to(ROOT)}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                size = (node.end_lineno or node.lineno) - node.lineno + 1
                if size > 40:
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {size} lines")
    assert wrong == []


def test_every_package_is_listed() -> None:
    """PyPI has an unrelated package called installer: ours are listed one by one, and none may be forgotten."""
    listed = set(
        re.findall(
            r'"((?:installer|screens)[.\w]*)"', (ROOT / "pyproject.toml").read_text().split("packages = [")[1].split("]")[0]
        )
    )
    present = {
        str(p.parent.relative_to(ROOT)).replace("/", ".")
        for top in ("installer", "screens")
        for p in (ROOT / top).rglob("__init__.py")
    }
    assert listed == present
