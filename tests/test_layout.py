"""The plan of the package: arrows point one way, every file has its place, and nothing is larger
than an eye takes in.
"""

import ast
import re
from pathlib import Path

import course_lib

ROOT = Path(course_lib.__file__).parent
ORDER = (
    "settings", "whole_files", "batch", "hardware", "measuring", "viz",  # the ground
    "data", "tokenization", "masking", "batches",  # II text in
    "encoder", "objectives", "gradients", "optimisation",  # III the mathematics
    "distributed", "evaluation", "training", "generation", "pretraining",  # IV pre-training
    "finetuning", "peft", "shipped", "adaptation",  # V adaptation
    "inside", "applications", "deployment", "__main__",  # VI to VIII, the command line
)  # fmt: skip
CHAPTERS = [*(f"{n:02}" for n in range(1, 27)), "09b"]


def module_of(path: Path) -> str:
    """``masking/tokens.py`` as ``masking.tokens``, a folder's face as the folder; the package
    itself is ``""``.
    """
    return (
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        .removesuffix("__init__")
        .removesuffix(".")
    )


FILES = {path: module_of(path) for path in sorted(ROOT.rglob("*.py"))}
TREES = {path: ast.parse(path.read_text("utf-8")) for path in FILES}


def package_of(path: Path) -> list[str]:
    """The parts of the folder from which a relative import starts."""
    module = FILES[path]
    parts = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return parts.split(".") if parts else []


def imports(path: Path) -> set[tuple[str, str]]:
    """(module, name) of every import from the package, wherever it stands: inside a function and
    for types only, too.
    """
    found = set()
    for node in ast.walk(TREES[path]):
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.level:
            here = package_of(path)
            module = ".".join([*here[: len(here) - node.level + 1], *filter(None, [node.module])])
        elif (node.module or "").split(".")[0] == "course_lib":
            module = node.module.removeprefix("course_lib").strip(".")
        else:
            continue
        for alias in node.names:
            inner = f"{module}.{alias.name}".strip(".")
            found.add((inner, "") if inner in FILES.values() else (module, alias.name))
    return found


def folder(module: str) -> str:
    return module.split(".")[0]


def test_every_folder_has_its_place():
    assert {folder(module) for module in FILES.values() if module} <= set(ORDER)


def test_a_folder_imports_only_from_those_before_it():
    wrong = [
        f"{module} imports {other}"
        for path, module in FILES.items()
        for other, _ in imports(path)
        if other and ORDER.index(folder(other)) > ORDER.index(folder(module))
    ]
    assert not wrong, wrong


def test_no_two_files_of_a_folder_import_each_other():
    arrows = {m: {o for o, _ in imports(p) if folder(o) == folder(m)} for p, m in FILES.items()}
    # take away what imports nothing that is left, again and again: what remains is a circle
    for _ in FILES:
        arrows = {a: bs & arrows.keys() for a, bs in arrows.items() if bs & arrows.keys()}
    assert not arrows, sorted(arrows)


def test_no_private_name_crosses_a_file():
    wrong = [
        f"{m}: {other}.{name}"
        for p, m in FILES.items()
        for other, name in imports(p)
        if name.startswith("_") and not name.startswith("__")
    ]
    assert not wrong, wrong


def face(path: Path) -> set[str]:
    """The names that the ``__init__`` of a folder re-exports."""
    return {
        alias.name
        for node in TREES[path].body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_a_file_is_not_named_like_a_function_of_its_folder():
    for path in ROOT.glob("**/__init__.py"):
        assert not face(path) & {other.stem for other in path.parent.glob("*.py")}, path


def test_another_folder_is_entered_by_its_face():
    """A name that a face offers is imported from there, and a folder's own files never go through
    its face.
    """
    faces = {FILES[path]: face(path) for path in ROOT.glob("*/__init__.py")}
    wrong = []
    for path, module in FILES.items():
        for other, name in imports(path):
            if path.name == "__init__.py" and folder(other) == folder(module):
                continue
            outside = folder(other) != folder(module)
            if outside and "." in other and name in faces.get(folder(other), ()):
                wrong.append(f"{module}: {name} is offered by {folder(other)}, not only by {other}")
            if not outside and other == folder(module) and "." in module and name:
                wrong.append(f"{module} imports {name} through its own folder's face")
    assert not wrong, wrong


def test_the_package_says_where_each_folder_and_chapter_is():
    text = course_lib.__doc__
    missing = [name for name in ORDER if f"``{name}``" not in text and name != "__main__"]
    missing += [
        chapter for chapter in CHAPTERS if not re.search(rf"^{chapter} \w", text, re.MULTILINE)
    ]
    assert not missing, missing
    named = {name for name in re.findall(r"``([\w.]+)``", text) if "." in name}
    assert named <= set(FILES.values()), named - set(FILES.values())


def test_tests_mirror_the_folders():
    """A file of tests in a folder of the package's name is named after a file of that folder, or
    tests several of them.
    """
    several = {"peft/test_methods", "distributed/test_command", "distributed/test_training"}
    several |= {"training/test_fp16"}
    tests = Path(__file__).parent
    for path in tests.rglob("test_*.py"):
        place = path.relative_to(tests).with_suffix("")
        if place.parts[0] in ORDER and place.as_posix() not in several:
            assert (
                (ROOT / place.parent / place.name.removeprefix("test_")).with_suffix(".py").exists()
            ), place


def test_folders_files_and_functions_are_small():
    folders = {path.parent for path in FILES}
    assert not [
        f for f in folders if len([p for p in f.glob("*.py") if p.name != "__init__.py"]) > 20
    ]
    assert not {
        m: n for p, m in FILES.items() if (n := len(p.read_text("utf-8").splitlines())) > 320
    }
    long = {
        f"{module}.{node.name}": node.end_lineno - node.lineno + 1
        for path, module in FILES.items()
        for node in ast.walk(TREES[path])
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.end_lineno - node.lineno >= 40
    }
    assert not long, long


def test_there_is_no_drawer_for_everything():
    assert not list(ROOT.rglob("util*.py"))
