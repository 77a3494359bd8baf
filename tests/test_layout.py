"""The arrows of the package point one way: a file imports only from those before it."""

import ast
from pathlib import Path

import course_lib

ROOT = Path(course_lib.__file__).parent


def order() -> list[str]:
    listed = course_lib.__doc__.split("them:")[1].split("the command line")[0]
    return [name.strip().strip("`") for name in listed.replace("\n", " ").split("→") if name.strip()]


def imports(path: Path) -> set[str]:
    """Modules of the package that are imported at the top of a file; imports inside functions break a cycle on purpose."""
    found = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("course_lib")):
            module = (node.module or "").removeprefix("course_lib").strip(".")
            found |= {module.split(".")[0]} if module else {alias.name for alias in node.names}
    return found


def test_every_named_file_exists():
    assert len(order()) > 10
    for name in order():
        assert (ROOT / f"{name}.py").exists() or (ROOT / name / "__init__.py").exists(), name


def test_nothing_imports_from_below():
    names = order()
    for place, name in enumerate(names):
        files = [ROOT / f"{name}.py"] if (ROOT / f"{name}.py").exists() else list((ROOT / name).glob("*.py"))
        for file in files:
            wrong = imports(file) & set(names[place + 1 :])
            assert not wrong, f"{file.name} imports {sorted(wrong)}, which stand below it"


def test_there_is_no_drawer_for_everything():
    assert not list(ROOT.rglob("util*.py"))
