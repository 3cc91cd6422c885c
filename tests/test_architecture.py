"""The shape of the code, as docs/architecture.md draws it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import geodata

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("geodata", "service")
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
STATEMENTS = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.sql"))

#: The Python face: what notebooks and other programs may rely on.
FACE = {
    "Coverage",
    "assign",
    "check",
    "delineate",
    "draw",
    "fit",
    "quality",
    "read_frames",
    "read_manifest",
    "repair",
    "sample",
    "staff",
    "write",
}

#: Functions whose first argument is SQL.
SQL_CALLS = {
    "SQL",
    "copy",
    "exec_driver_sql",
    "execute",
    "executemany",
    "scalar",
    "scalars",
    "text",
}


def place(path: Path, node: ast.AST | None = None) -> str:
    line = f":{node.lineno}" if isinstance(node, ast.expr | ast.stmt) else ""
    return f"{path.relative_to(ROOT).as_posix()}{line}"


def called_name(call: ast.Call) -> str | None:
    if isinstance(call.func, ast.Name):
        return call.func.id
    return call.func.attr if isinstance(call.func, ast.Attribute) else None


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := called_name(node)):
            yield name, node


def is_pasted(node: ast.expr) -> bool:
    """Whether an expression builds text from parts that are not all written in the source."""
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod | ast.Add):
        return any(
            isinstance(side, ast.JoinedStr)
            or (isinstance(side, ast.Constant) and isinstance(side.value, str))
            or is_pasted(side)
            for side in (node.left, node.right)
        )
    return (
        isinstance(node, ast.Call)
        and called_name(node) == "format"
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Constant)
    )


def pasted_statements(source: str) -> list[ast.Call]:
    return [
        call
        for name, call in calls(ast.parse(source))
        if name in SQL_CALLS and call.args and is_pasted(call.args[0])
    ]


def test_imports_point_down_only() -> None:
    """By a process of its own, since import-linter sets up logging for all."""
    contracts = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert contracts.returncode == 0, contracts.stdout + contracts.stderr
    assert "0 broken" in contracts.stdout


def test_the_python_face_is_the_documented_one() -> None:
    assert set(geodata.__all__) == FACE
    assert len(geodata.__all__) == len(FACE)
    assert [name for name in geodata.__all__ if not hasattr(geodata, name)] == []


@pytest.mark.parametrize("name", sorted(FACE - {"draw", "quality", "sample"}))
def test_the_face_offers_functions_not_modules(name: str) -> None:
    """A package and its function may share a name; the function must be what is seen."""
    assert callable(getattr(geodata, name))


def test_the_architecture_page_names_the_face() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert {name for name in FACE if not re.search(rf"\bgd\.{name}\b", page)} == set()


def test_files_are_named_for_what_they_do() -> None:
    vague = {"utils.py", "util.py", "helpers.py", "common.py", "misc.py"}
    assert [place(path) for path in SOURCES if path.name in vague] == []


def test_files_stay_small() -> None:
    """Past 400 lines a file wants a second look; past 600 it has not had it."""
    lengths = {place(path): len(path.read_text("utf-8").splitlines()) for path in SOURCES}
    assert {name: length for name, length in lengths.items() if length > 600} == {}


def test_http_errors_are_raised_at_the_front_only() -> None:
    """In routes, and in service/web, which speaks HTTP and nothing else."""
    found = [
        place(path, call)
        for path in SOURCES
        if path.name != "routes.py" and path.parent != ROOT / "service" / "web"
        for name, call in calls(ast.parse(path.read_text("utf-8")))
        if name == "HTTPException"
    ]
    assert found == []


def test_sql_is_never_pasted_together() -> None:
    found = [
        place(path, call) for path in SOURCES for call in pasted_statements(path.read_text("utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "session.execute(text(f'select {column} from grid'))",
        "connection.execute('select * from ' + table)",
        "cursor.execute('select * from %s' % table)",
        "text('select {}'.format(column))",
        "text('select ' + column + ' from grid')",
    ],
)
def test_pasted_sql_would_be_found(source: str) -> None:
    assert pasted_statements(source)


@pytest.mark.parametrize(
    "source",
    ["text('select 1')", "text(f'select 1')", "execute(statement)", "text(BLOCKS['load'])"],
)
def test_whole_sql_is_let_through(source: str) -> None:
    assert not pasted_statements(source)


def test_bound_parameters_are_cast_in_words() -> None:
    """SQLAlchemy binds nothing in ``:x::int``; it wants ``CAST(:x AS int)``."""
    trap = re.compile(r"(?<!:):[a-z_]\w*::")
    assert [
        place(path) for path in (*SOURCES, *STATEMENTS) if trap.search(path.read_text("utf-8"))
    ] == []


def test_transactions_begin_and_end_in_one_place() -> None:
    """One module opens sessions and commits them; a savepoint (``begin_nested``) is not one.

    What a delineation has finished is kept beside its transaction, to outlive a killed one.
    """
    files = {
        place(path)
        for path in SOURCES
        for name, _ in calls(ast.parse(path.read_text("utf-8")))
        if name in ("begin", "commit")
    }
    assert files == {"service/db/engine.py", "service/flows/kept.py"}


def test_a_service_that_only_answers_holds_nothing_that_draws_grids_or_writes_files() -> None:
    """What is heavy waits until a request needs it (service/web/late.py)."""
    heavy = {"folium", "numba", "ortools", "pandas", "pyarrow", "pyogrio", "scipy"}
    found = subprocess.run(
        [sys.executable, "-c", "import service.app, sys; print(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert heavy & set(found.stdout.split()) == set()


def test_a_late_module_is_there_when_something_of_it_is_used() -> None:
    modules = (
        "from service.web.late import late; import sys; m = late('geodata.quality'); "
        "print('geodata.quality' in sys.modules, m.__name__, callable(m.measure), "
        "'geodata.quality' in sys.modules, hasattr(m, 'nothing'))"
    )
    found = subprocess.run(
        [sys.executable, "-c", modules], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == ["False", "geodata.quality", "True", "True", "False"]
