"""Rules that a linter does not know: lengths, names, and words that do not belong here."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CODE = [
    path for folder in ("propagate", "lifting") for path in sorted((ROOT / folder).rglob("*.py"))
]
FOLDERS = ("propagate", "lifting", "tests", "configs", "demos", "scripts", ".ci")
SUFFIXES = {".py", ".md", ".yaml", ".toml", ".txt", ""}
SKIP = {"constraints.txt", "LICENSE"}

LONGEST_FILE, LONGEST_LISTED_FILE = 300, 400
LONGEST_FUNCTION, HARD_LIMIT, MOST_PARAMETERS = 50, 80, 6
LONG_FILES = {"propagate/types.py": "the values in one place, most of it what they mean"}
"""path → why it may have up to 400 lines."""
LONG_FUNCTIONS: dict[str, str] = {}
"""path:function → why it may have up to 80 lines."""

UNFINISHED = "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"])
FORBIDDEN = {
    "unfinished": rf"\b({UNFINISHED})\b|NotImplemented" + "Error",
    "a registry's host": "|".join(
        ["pypi" + r"\.org", "pythonhosted" + r"\.org", "debian" + r"\.org"]
    ),
    "a machine's path": "/wo" + r"rk/|/ho" + "me/",
}


def written():
    """Every text file that is part of the project."""
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    found += [path for path in ROOT.iterdir() if path.suffix in (".md", ".toml", ".txt")]
    return [
        path
        for path in sorted(found)
        if path.is_file()
        and path.suffix in SUFFIXES
        and path.name not in SKIP
        and "__pycache__" not in path.parts
    ]


def functions():
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(ROOT).as_posix()}:{node.name}", node


def test_files_are_short():
    lines = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in CODE
    }
    limits = {name: LONGEST_LISTED_FILE if name in LONG_FILES else LONGEST_FILE for name in lines}
    assert {name: n for name, n in lines.items() if n > limits[name]} == {}


def test_functions_are_short():
    lengths = {name: node.end_lineno - node.lineno + 1 for name, node in functions()}
    assert {name: n for name, n in lengths.items() if n > HARD_LIMIT} == {}
    long = {name for name, n in lengths.items() if n > LONGEST_FUNCTION}
    assert long == set(LONG_FUNCTIONS)


def test_functions_take_few_parameters():
    many = {}
    for name, node in functions():
        arguments = node.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        count = sum(one.arg not in ("self", "cls") for one in every)
        if count > MOST_PARAMETERS and "cli" not in name:
            many[name] = count
    assert many == {}


def test_nothing_prints_but_the_command_line():
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in CODE
        if "cli" not in path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "print"
    ]
    assert wrong == []


def test_no_file_is_a_drawer_for_everything():
    names = {f"{stem}.py" for stem in ("utils", "util", "common", "base", "helpers", "misc")}
    assert [path for path in CODE if path.name in names] == []


@pytest.mark.parametrize("what", FORBIDDEN)
def test_words_that_do_not_belong(what):
    pattern = re.compile(FORBIDDEN[what])
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in written()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []
