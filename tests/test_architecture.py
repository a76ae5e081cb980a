"""The layout holds: direction of imports, size of files, what ships, what importing costs."""

import ast
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import ponder.graphs
import ponder.state

ROOT = Path(__file__).parent.parent
ORDER = ["state", "nodes", "graphs"]
SOURCES = sorted(path for layer in ORDER for path in (ROOT / layer).rglob("*.py"))
LONGEST_FILE = 300
MODULES = 1700
"""Modules that `from ponder.graphs import solve` may load: LangGraph and pydantic bring most of them."""
HEAVY = {
    "openai",
    "langchain_openai",
    "sqlalchemy",
    "typer",
    "sympy",
    "latex2sympy2_extended",
    "antlr4",
    "xllamacpp",
    "tiktoken",
    "wordllama",
}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported(path: Path) -> list[str]:
    """Return what a file imports from ponder, as dotted names under ponder."""
    package = list(path.relative_to(ROOT).parts[:-1])
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            found += [".".join([*base, *(node.module or "").split("."), alias.name]) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ponder."):
            found.append(str(node.module).removeprefix("ponder."))
    return [name.replace("..", ".") for name in found]


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_imports_point_towards_the_state(path: Path) -> None:
    layer = ORDER.index(path.relative_to(ROOT).parts[0])
    against = [name for name in imported(path) if ORDER.index(name.split(".")[0]) > layer]
    assert against == []


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_only_the_app_names_adapters(path: Path) -> None:
    joining = {ROOT / "graphs" / "app.py", ROOT / "graphs" / "models.py"}
    if path in joining or path.parent.name in {"models", "verifiers"}:
        return
    adapters = ("nodes.models", "nodes.verifiers")
    assert [name for name in imported(path) if name.startswith(adapters)] == []


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_files_are_short_and_say_what_they_are(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= LONGEST_FILE
    assert ast.get_docstring(ast.parse(text))


def test_everything_ships_in_the_wheel(tmp_path: Path) -> None:
    # By way of the source archive: a wheel built in the checkout takes along what an earlier build has left there.
    command = ["uv", "build", "--offline", "--no-build-isolation", "--out-dir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    expected = {f"ponder/{named(path)}" for path in SOURCES}
    assert shipped == expected | {f"ponder/{layer}/py.typed" for layer in ORDER}


def test_every_package_is_listed() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted({"ponder." + named(path.parent).replace("/", ".") for path in SOURCES})


def test_importing_is_light_and_touches_nothing() -> None:
    program = f"""
import sys
def watch(event, args):
    if event in ("socket.connect", "subprocess.Popen", "os.mkdir"):
        raise SystemExit(f"{{event}} {{args}}")
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        raise SystemExit(f"open {{args}}")
sys.addaudithook(watch)
import ponder.graphs, ponder.state
light = len(sys.modules)
from ponder.graphs import aresume, asolve, create_ponder, create_ponder_graph, resume, solve
from ponder.state import Answer, Budget, Problem
print(light, len(sys.modules), *sorted(set({sorted(HEAVY)!r}) & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    light, full, *heavy = done.stdout.split()
    assert heavy == []
    assert int(light) < 150
    assert int(full) < MODULES


def test_the_public_names_are_these() -> None:
    assert ponder.graphs.__all__ == [
        "DeliberateMiddleware",
        "PonderChatModel",
        "aresume",
        "as_tool",
        "asolve",
        "create_ponder",
        "create_ponder_graph",
        "preview",
        "resume",
        "solve",
    ]
    assert set(ponder.state.__all__) == {
        *("Answer", "Assessment", "Budget", "Candidate", "Preview", "Problem", "Settings", "Spent", "Verdict"),
        *(
            "ChoiceNeeded",
            "ModelUnreachable",
            "PonderError",
            "StoreError",
            "ThreadBusy",
            "ThreadNotFound",
            "UsageError",
        ),
        "SQLAlchemySaver",
    }
    for module in (ponder.graphs, ponder.state):
        assert all(getattr(module, name) for name in module.__all__)


def test_listing_runs_loads_no_graph() -> None:
    program = """
import sys
from ponder.graphs import stores
from ponder.graphs.cli import lines, load, runs, stored
from ponder.nodes import view
from ponder.state import checkpointer, threads
print(sorted({"langgraph.types", "langgraph.graph", "langchain_openai"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
