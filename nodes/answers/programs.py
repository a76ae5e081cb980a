"""Code: equal where the syntax trees are, whatever the layout, the comments and the names of local variables."""

import ast
import builtins
import warnings
from hashlib import sha256

LONGEST = 20_000
"""Characters of what is parsed."""
NAMED = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
    *(ast.ExceptHandler, ast.MatchAs, ast.MatchStar),
)
"""Nodes that bind a name otherwise than by assignment."""
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
KEPT = set(dir(builtins))


def program(source: str, language: str = "") -> str | None:
    """Return the normal form of a program; None for none, and for Python that does not parse."""
    lines = [line.rstrip() for line in source.expandtabs().splitlines()]
    laid_out = "\n".join(line for line in lines if line)
    if not laid_out.strip():
        return None
    tree = parsed(source)
    if tree is None:
        return None if language.lower() in {"python", "py", "python3"} else laid_out
    try:
        return ast.unparse(Renamed(tree).visit(tree)) or None
    except RecursionError:
        return f"python {sha256(laid_out.encode(errors='surrogatepass')).hexdigest()}"


def parsed(source: str) -> ast.Module | None:
    """Return the syntax tree of Python; None for other text."""
    if len(source) > LONGEST:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


class Renamed(ast.NodeTransformer):
    """Numbers what is named inside functions alone, and drops docstrings and annotations but those of fields."""

    def __init__(self, tree: ast.Module) -> None:
        self.local = local_names(tree)
        self.numbers: dict[str, str] = {}
        self.fields: set[ast.AST] = set()

    def renamed(self, name: str) -> str:
        """Return the number of a local name; other names stay."""
        if name not in self.local:
            return name
        # No name of the program can be like it.
        return self.numbers.setdefault(name, f"${len(self.numbers)}")

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self.renamed(node.id), node.ctx)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(self.renamed(node.arg))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None or node in self.fields:
            return self.generic_visit(node)
        return self.generic_visit(ast.Assign([node.target], node.value, lineno=node.lineno))

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.visit_body(node)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - as `ast` calls it

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.fields.update(node.body)
        return self.visit_body(node)

    def visit_body(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module) -> ast.AST:
        """Drop the docstring; a body of nothing else passes."""
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or ([] if isinstance(node, ast.Module) else [ast.Pass()])
        return self.generic_visit(node)

    visit_Module = visit_body  # noqa: N815


def local_names(tree: ast.Module) -> set[str]:
    """Return names that are bound in functions and nowhere else, and that no keyword, import or global names."""
    bound: set[str] = set()
    other: set[str] = set(KEPT)
    waiting: list[ast.AST] = [tree]
    while waiting:
        for part in ast.iter_child_nodes(waiting.pop()):
            if not isinstance(part, FUNCTIONS):
                waiting.append(part)
                continue
            # What functions inside this one bind is inside it too.
            bound |= {inner.arg for inner in ast.walk(part) if isinstance(inner, ast.arg)}
            bound |= {
                inner.id for inner in ast.walk(part) if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)
            }
    outside = [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]
    for scope in outside:
        other |= set(names_bound_in(scope))
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg:
            other.add(node.arg)
        elif isinstance(node, ast.Global | ast.Nonlocal):
            other |= set(node.names)
        elif isinstance(node, ast.alias):
            other.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, NAMED) and node.name:
            other.add(node.name)
    return bound - other


def names_bound_in(scope: ast.AST) -> list[str]:
    """Return the names that a module or class binds itself, not in its functions."""
    names: list[str] = []
    waiting = list(ast.iter_child_nodes(scope))
    while waiting:
        node = waiting.pop()
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.append(node.id)
        waiting += ast.iter_child_nodes(node)
    return names
