"""What the target uses of pyiceberg's private names is in one module, read against one version."""

from __future__ import annotations

import ast
from importlib.metadata import version
from pathlib import Path

from target_iceberg import pyiceberg_private

PACKAGE = Path(pyiceberg_private.__file__).parent


def own(path: Path) -> set[str]:
    """Return the names that a module gives to attributes and functions, and that those do which its classes extend."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found, extended = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            extended |= {each.id for each in node.bases if isinstance(each, ast.Name)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or not extended & {each.name for each in node.names}:
            continue
        if (node.module or "").startswith(f"{PACKAGE.name}."):
            found |= own(PACKAGE.parent / f"{str(node.module).replace('.', '/')}.py")
    return found


def private(path: Path) -> set[str]:
    """Return the private names of others that a module uses: imported, asked of an object, or of what it extends."""
    used = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pyiceberg"):
            used |= {each.name for each in node.names}
        elif isinstance(node, ast.Attribute):
            used.add(node.attr)
    return {name for name in used - own(path) if name.startswith("_") and not name.startswith("__")}


def test_private_names_are_those_of_the_pinned_version() -> None:
    """A release of pyiceberg may change what was never promised, and a commit would be wrong, or not there."""
    names = ", ".join(sorted(private(Path(pyiceberg_private.__file__))))
    assert version("pyiceberg") == pyiceberg_private.VERSION, (
        f"pyiceberg is {version('pyiceberg')}, pyiceberg_private.py was read against {pyiceberg_private.VERSION}. Read "
        f"again there: {names}; whether manifests of delete files can be written publicly; whether `equality_ids` has "
        "32 bits; how the summary names partitions; whether a REST catalog takes a timeout. Then set VERSION"
    )


def test_no_other_module_uses_private_names() -> None:
    others = (path for path in PACKAGE.rglob("*.py") if path != Path(pyiceberg_private.__file__))
    assert {str(path.relative_to(PACKAGE)): found for path in others if (found := private(path))} == {}
