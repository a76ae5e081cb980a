"""The README is true: what can drift is generated, and its Python runs. `python -m tests.test_readme` rewrites it."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ponder.graphs import create_ponder

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
BLOCK = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def graph() -> str:
    """Draw the machine, without what its nodes say of themselves."""
    drawn = re.sub(r"<hr/>.*?</small>", "", create_ponder().get_graph().draw_mermaid(), flags=re.DOTALL)
    return f"```mermaid\n{drawn.strip()}\n```\n"


def tree() -> str:
    """List every source file with its first line."""
    lines = []
    for folder in ("graphs", "nodes", "state"):
        files = (ROOT / folder).rglob("*.py")
        for path in sorted(files, key=lambda path: (path.parent, path.name != "__init__.py", path)):
            said = (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()[0].rstrip(".")
            name = str(path.relative_to(ROOT)).replace("__init__.py", "")
            lines.append(f"{name:34} {said}" if len(said) <= 84 else f"{name:34} {said[:83]}…")
    return "```text\n" + "\n".join(lines) + "\n```\n"


def usage() -> str:
    """Print the help of `ponder solve` at 80 columns."""
    command = [str(Path(sys.executable).parent / "ponder"), "solve", "--help"]
    environment = os.environ | {"COLUMNS": "80", "NO_COLOR": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return f"```text\n{done.stdout.strip()}\n```\n"


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


GENERATED = {"graph": graph, "replay": replayed, "tree": tree, "help": usage}


def renewed(text: str) -> str:
    """Return the README with its generated parts made anew."""
    return BLOCK.sub(lambda found: found[1] + GENERATED[found[2]]() + found[3], text)


def test_what_is_generated_is_as_it_stands() -> None:
    text = README.read_text()
    assert {found[2] for found in BLOCK.finditer(text)} == set(GENERATED)
    assert text == renewed(text), "run `python -m tests.test_readme`"


def test_its_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PONDER_STORE", f"sqlite:///{tmp_path}/ponder.db")
    monkeypatch.delenv("PONDER_MODEL", raising=False)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, str(README), "exec"), {})  # noqa: S102 - our own README
    assert capsys.readouterr().out


if __name__ == "__main__":
    README.write_text(renewed(README.read_text()))
