"""What the grader asks of Python source: its functions, its statements, and how to cut it.

Student code may hold IPython's magics, or not be valid Python at all: then definitions are found by
pattern, and nothing is cut.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

MAGIC = re.compile(r"^(\s*)[%!?].*$", re.MULTILINE)
DEFINITION = re.compile(r"^(?:async\s+)?def\s+(\w+)\s*\(", re.MULTILINE)


def parse(source: str) -> ast.Module | None:
    """The syntax tree, magics taken for `pass`; None where it is not valid Python."""
    try:
        return ast.parse(MAGIC.sub(r"\1pass", source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def defined(source: str) -> set[str]:
    """Names of the functions and classes defined at top level.

    >>> sorted(defined("%time\\ndef f(x): return x\\nclass A: pass"))
    ['A', 'f']
    >>> sorted(defined("def f(x) return x"))
    ['f']
    """
    tree = parse(source)
    if tree is None:
        return set(DEFINITION.findall(source))
    names = {
        node.name
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    }
    # f = lambda ...: also defines a function
    callable_kinds = (ast.Lambda, ast.Name, ast.Attribute)
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, callable_kinds):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def statements(sources: Iterable[str]) -> set[str]:
    """All top-level statements of the sources, as dumps that forget layout and comments."""
    trees = [parse(source) for source in sources]
    return {ast.dump(node) for tree in trees if tree for node in tree.body}


def pieces(source: str, tree: ast.Module) -> list[tuple[ast.stmt, str]]:
    """Each top-level statement with its text, decorators and the comments above it."""
    lines, result, last = source.split("\n"), [], 0
    for node in tree.body:
        result.append((node, "\n".join(lines[last : node.end_lineno])))
        last = node.end_lineno
    return result


def without(source: str, known: set[str]) -> str:
    """The source without the statements whose dumps are in `known`.

    Those are given cells that were merged into an answer.
    """
    tree = parse(source)
    if tree is None or not any(ast.dump(node) in known for node in tree.body):
        return source
    return "\n".join(text for node, text in pieces(source, tree) if ast.dump(node) not in known)


def without_definitions(source: str, names: set[str]) -> str:
    """The source without top-level definitions of `names`; unchanged where it does not parse."""
    tree = parse(source)
    if tree is None:
        return source
    return "\n".join(text for node, text in pieces(source, tree) if not (defined(text) & names))


def split(source: str, groups: list[frozenset[str]]) -> list[str] | None:
    """Cut the source into a part for each group of functions, each up to the last one of its group.

    What follows the last one goes with it. The groups come back in their own order; None where the
    source does not parse.

    >>> split("a = 1\\ndef f(): pass\\ndef g(): pass\\nb = 2", [frozenset("g"), frozenset("f")])
    ['def g(): pass\\nb = 2', 'a = 1\\ndef f(): pass']
    """
    tree = parse(source)
    if tree is None:
        return None
    parts: dict[int, list[str]] = {k: [] for k in range(len(groups))}
    waiting: list[str] = []
    last = 0
    for _, text in pieces(source, tree):
        waiting.append(text)
        mine = [k for k, names in enumerate(groups) if defined(text) & names]
        if mine:
            last = mine[0]
            parts[last] += waiting
            waiting = []
    parts[last] += waiting
    return ["\n".join(parts[k]) for k in range(len(groups))]


def additions(source: str, given: str) -> str:
    """The imports, functions and classes in `source` that `given` has not."""
    tree, known, names = parse(source), statements([given]), defined(given)
    if tree is None:
        return ""
    kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    new = [node for node in tree.body if isinstance(node, kinds) and ast.dump(node) not in known]
    return "\n".join(ast.unparse(node) for node in new if getattr(node, "name", None) not in names)
