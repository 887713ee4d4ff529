"""The rooms of the package: ``python -m tests.architecture`` prints what they import and which import breaks a rule.

A room is a folder of ``gan_augment/``. Rooms import only rooms that stand before them, and only the
names that these list; files never import each other in a circle.
"""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = "gan_augment"
ORDER = (  # each imports only those before it; what shares a line does not import each other
    ("_version", "_core"),
    ("models",),
    ("data",),
    ("importing",),
    ("hub",),
    ("metrics",),
    ("synthesis",),
    ("mixing", "training"),
    ("evaluation",),
    ("studies",),
    ("demo",),
    ("web",),
    ("cli",),
    ("__init__", "__main__"),
)
LEAVES = {"studies.report"}  # parts of a room that import nothing else of it
ALLOWED = {("gan_augment.models._generator", "gan_augment.hub")}  # Generator.from_pretrained and push_to_hub


@dataclass(frozen=True)
class Import:
    """An import of a module of the package by another, at a line of a file."""

    importer: str
    imported: str
    path: Path
    line: int
    private: bool  # whether it names a private module itself, and not a name that the room lists

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line} imports {self.imported}"


def imports() -> list[Import]:
    """Returns every import within the package, late ones included, but those for type checkers only."""
    found = []
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        package = list(parts[:-1])
        for node in _run_imports(ast.parse(path.read_text(encoding="utf-8"))):
            if not node.level and not (node.module or "").startswith(PACKAGE):
                continue
            base = package[: len(package) - node.level + 1] if node.level else []
            target = ".".join([*base, *((node.module or "").split(".") if node.module else [])])
            for alias in node.names:
                named = _module(f"{target}.{alias.name}") or target
                found_at = named if named != target else _home(target, alias.name)
                private = any(part.startswith("_") for part in named.split(".")[2:])
                if found_at != module:
                    found.append(Import(module, found_at, path, node.lineno, private))
    return list(dict.fromkeys(found))


def _run_imports(tree: ast.AST) -> Iterator[ast.ImportFrom]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.ImportFrom):
            yield node
        yield from _run_imports(node)


def _module(name: str) -> str | None:
    path = ROOT / name.replace(".", "/")
    return name if path.with_suffix(".py").is_file() or (path / "__init__.py").is_file() else None


@functools.cache
def _home(package: str, name: str) -> str:
    """Returns the module behind a name that the ``__init__.pyi`` of a package lists."""
    stub = ROOT / package.replace(".", "/") / "__init__.pyi"
    for node in ast.parse(stub.read_text(encoding="utf-8")).body if stub.is_file() else ():
        if isinstance(node, ast.ImportFrom) and name in (alias.asname or alias.name for alias in node.names):
            return _home(f"{package}.{node.module}", name)
    return package


def room(module: str) -> str:
    """Returns the room of a module: the folder below the package, or its own name at the top."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def violations(found: list[Import]) -> list[str]:
    """Returns a sentence for each import that breaks a rule."""
    level = {name: number for number, rooms in enumerate(ORDER) for name in rooms}
    wrong = []
    for each in found:
        ours, theirs = room(each.importer), room(each.imported)
        if (each.importer, each.imported) in ALLOWED:
            continue
        if unknown := {ours, theirs} - set(level):
            wrong.append(f"{each}: the room {unknown.pop()} has no place in the order.")
        elif ours != theirs and level[theirs] >= level[ours]:
            wrong.append(f"{each}: {ours} stands before {theirs}, or beside it.")
        elif ours != theirs and each.private:
            wrong.append(f"{each}: other rooms are imported by their public names only.")
        for leaf in LEAVES:
            inside = each.importer.startswith(f"{PACKAGE}.{leaf}")
            if inside and ours == theirs and not each.imported.startswith(f"{PACKAGE}.{leaf}"):
                wrong.append(f"{each}: {leaf} is a leaf and imports nothing else of {ours}.")
    return wrong + [f"Files import each other in a circle: {' -> '.join(circle)}." for circle in circles(found)]


def circles(found: list[Import]) -> list[list[str]]:
    """Returns circles of files, each as the modules along it."""
    graph: dict[str, set[str]] = {}
    for each in found:
        if (each.importer, each.imported) not in ALLOWED:
            graph.setdefault(each.importer, set()).add(each.imported)
    done: set[str] = set()
    circles: list[list[str]] = []

    def visit(module: str, way: list[str]) -> None:
        if module in way:
            circles.append([*way[way.index(module) :], module])
        elif module not in done:
            for other in sorted(graph.get(module, ())):
                visit(other, [*way, module])
            done.add(module)

    for module in sorted(graph):
        visit(module, [])
    return circles


def main() -> int:
    """Prints the rooms, and returns 1 if an import breaks a rule."""
    found = imports()
    for names in ORDER:
        for name in names:
            others = {room(each.imported) for each in found if room(each.importer) == name} - {name}
            order = [each for rooms in ORDER for each in rooms if each in others]
            files = sorted((ROOT / PACKAGE / name).rglob("*.py")) or [ROOT / PACKAGE / f"{name}.py"]
            lines = sum(path.read_text(encoding="utf-8").count("\n") for path in files)
            print(f"{name:12} {len(files):3} files {lines:6} lines  imports {', '.join(order) or 'nothing of ours'}")
    wrong = violations(found)
    print(*(wrong or ["No import breaks the order."]), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
