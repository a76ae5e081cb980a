"""README and CONTRIBUTING are true: what can drift is generated, and their Python runs.

`python -m tests.test_readme` rewrites the generated parts.
"""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ponder.graphs import create_ponder
from ponder.state import Budget, Settings

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
FOLDERS = ("graphs", "nodes", "state")
BLOCK = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def graph() -> str:
    """Draw the machine, without what its nodes say of themselves."""
    drawn = re.sub(r"<hr/>.*?</small>", "", create_ponder().get_graph().draw_mermaid(), flags=re.DOTALL)
    return f"```mermaid\n{drawn.strip()}\n```\n"


def packages() -> list[Path]:
    """Return every package of the code, by its own file."""
    return [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("__init__.py"))]


def first_line(path: Path) -> str:
    """Return what a module says of itself first."""
    return (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()[0].rstrip(".")


def tree() -> str:
    """List every folder of the code with its first line."""
    lines = [f"{str(path.parent.relative_to(ROOT)) + '/':18} {first_line(path)}" for path in packages()]
    return "```text\n" + "\n".join(lines) + "\n```\n"


def files() -> str:
    """List every source file with its first line."""
    lines = []
    for package in packages():
        name = package.parent.relative_to(ROOT)
        lines += ["", f"`{name}/`: {first_line(package)}", ""]
        lines += [
            f"- `{path.name}`: {first_line(path)}" for path in sorted(package.parent.glob("*.py")) if path != package
        ]
    return "\n".join(lines[1:]) + "\n"


def usage() -> str:
    """Print the help of `ponder solve` at 80 columns."""
    command = [str(Path(sys.executable).parent / "ponder"), "solve", "--help"]
    environment = os.environ | {"COLUMNS": "80", "NO_COLOR": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return f"```text\n{done.stdout.strip()}\n```\n"


def settings() -> str:
    """List the settings with their defaults."""
    rows = [
        f"| `{name}` | {'' if field.default in (None, Budget()) else f'`{field.default}`'} | {field.description} |"
        for name, field in Settings.model_fields.items()
        if name != "calibration"  # read from a file, not given
    ]
    return "\n".join(["| setting | default | what it is |", "|---|---|---|", *rows]) + "\n"


def replayed() -> str:
    """Quote the recorded benchmark: accuracy with its interval, calls and tokens of each policy."""
    found = json.loads((ROOT / "tests" / "data" / "replay.json").read_text())
    tables: list[str] = []
    for one in found["sets"]:
        rows = one["policies"]
        tables += [f"`{one['data']}`: {rows[0]['questions']} questions, {found['resamples']} resamples.", ""]
        tables += ["| policy | right, of 100 | 95 % interval | calls | tokens |", "|---|---|---|---|---|"]
        for row in rows:
            low, high = (f"{100 * end:.1f}" for end in row["ci"])
            tokens = "" if row["mean_tokens"] is None else f"{row['mean_tokens']:.0f}"
            cells = (f"`{row['policy']}`", f"{100 * row['accuracy']:.1f}", f"{low} to {high}")
            tables.append("| " + " | ".join((*cells, f"{row['mean_calls']:.1f}", tokens)) + " |")
        tables.append("")
    return "\n".join(tables)


GENERATED = {
    README: {"graph": graph, "replay": replayed, "settings": settings, "tree": tree, "help": usage},
    CONTRIBUTING: {"files": files},
}


def renewed(document: Path) -> str:
    """Return a document with its generated parts made anew."""
    return BLOCK.sub(lambda found: found[1] + GENERATED[document][found[2]]() + found[3], document.read_text())


@pytest.mark.parametrize("document", GENERATED, ids=lambda path: path.stem)
def test_what_is_generated_is_as_it_stands(document: Path) -> None:
    text = document.read_text()
    assert {found[2] for found in BLOCK.finditer(text)} == set(GENERATED[document])
    assert text == renewed(document), "run `python -m tests.test_readme`"


@pytest.mark.parametrize("document", GENERATED, ids=lambda path: path.stem)
def test_the_files_that_it_names_are_there(document: Path) -> None:
    named = re.findall(r"`((?:graphs|nodes|state|tests)/[\w./]*)`", document.read_text())
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_its_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PONDER_STORE", f"sqlite:///{tmp_path}/ponder.db")
    monkeypatch.delenv("PONDER_MODEL", raising=False)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, str(README), "exec"), {})  # noqa: S102 - our own README
    assert capsys.readouterr().out


if __name__ == "__main__":
    for document in GENERATED:
        document.write_text(renewed(document))
