#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check what each of Poselift's modules may import and touch, from their source alone (nothing is imported).

The layers are ui -> operators -> scene -> core: a module reaches its own layer and those to the right of it. `core` knows
no Blender, and torch is known to core/lifter and core/motion only. Blender's data (`bpy.data`) belongs to `scene`, and
panels run no operators. Inside the package all imports are relative, because in Blender it has another name.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

LAYERS = ("core", "scene", "operators", "ui")
"""From the bottom up; a layer may import itself and those before it."""

BLENDER = frozenset(
    ("bpy", "mathutils", "bpy_extras", "bpy_types", "bmesh", "gpu", "gpu_extras", "blf", "bl_math", "aud", "idprop", "imbuf")
    + ("freestyle", "bl_ui", "addon_utils", "bl_operators", "bl_app_override", "rna_prop_ui", "nodeitems_utils")
)
EVERYWHERE = frozenset(sys.stdlib_module_names) | {"numpy", "tqdm"}
OPTIONAL_AT = {"h5py": PurePosixPath("core/readers")}
"""Libraries that one part imports when a user's file needs them."""
TORCH_AT = (PurePosixPath("core/lifter"), PurePosixPath("core/motion"))


@dataclass(frozen=True)
class Violation:
    """One line of one file that breaks a rule; `path` is relative to the package."""

    path: PurePosixPath
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


def package_files(root: Path) -> Iterator[PurePosixPath]:
    """Yield the package's modules under `root`, relative to it and in order."""
    yield PurePosixPath("__init__.py")
    for layer in LAYERS:
        for path in sorted((root / layer).rglob("*.py")):
            yield PurePosixPath(path.relative_to(root).as_posix())


def check_source(path: PurePosixPath, source: str) -> list[Violation]:
    """Return what a module breaks. `path` is its place in the package, `source` its text.

    Raises `SyntaxError` where the text is no Python.
    """
    found: list[Violation] = []
    for node in ast.walk(ast.parse(source, filename=str(path))):
        found.extend(Violation(path, getattr(node, "lineno", 0), message) for message in _problems(path, node))
    return found


def check_tree(root: Path) -> list[Violation]:
    """Return what the package under `root` breaks, file by file."""
    return [v for path in package_files(root) for v in check_source(path, (root / path).read_text(encoding="utf-8"))]


def imported_modules(source: str) -> set[str]:
    """Return the top-level names of all modules that a text imports absolutely, wherever in it."""
    nodes = list(ast.walk(ast.parse(source)))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level and node.module}
    return {name.partition(".")[0] for name in names}


def _problems(path: PurePosixPath, node: ast.AST) -> Iterator[str]:
    layer = path.parts[0] if len(path.parts) > 1 else None
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield from _absolute(path, layer, alias.name)
    elif isinstance(node, ast.ImportFrom):
        if node.level:
            yield from _relative(path, layer, node)
        else:
            yield from _absolute(path, layer, node.module or "")
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "bpy":
        if node.attr == "data" and layer != "scene":
            yield "bpy.data is touched by scene only; call a function of scene."
        if node.attr == "ops" and layer == "ui":
            yield "panels only draw; an operator is named by layout.operator(), not called."


def _absolute(path: PurePosixPath, layer: str | None, module: str) -> Iterator[str]:
    top = module.partition(".")[0]
    if top == "poselift":
        yield f"'{module}' is imported absolutely; in Blender the package has another name, so write a relative import."
    elif top in BLENDER:
        if layer in (None, "core"):
            yield f"'{module}' is Blender's; {'core' if layer else 'the package itself'} must work without Blender."
    elif top == "torch":
        if not any(path.is_relative_to(folder) for folder in TORCH_AT):
            yield "torch is imported by core/lifter and core/motion only."
    elif top in OPTIONAL_AT and path.is_relative_to(OPTIONAL_AT[top]):
        return
    elif layer == "core" and top not in EVERYWHERE:
        yield f"'{module}' is neither Python's nor NumPy nor tqdm; core has no other dependency."


def _relative(path: PurePosixPath, layer: str | None, node: ast.ImportFrom) -> Iterator[str]:
    folder = path.parent.parts
    if node.level > len(folder) + 1:
        yield "a relative import leaves the package."
        return
    base = folder[: len(folder) + 1 - node.level]
    targets = [(*base, *node.module.split("."))] if node.module else [(*base, alias.name) for alias in node.names]
    for target in targets:
        if layer and target[0] in LAYERS and LAYERS.index(target[0]) > LAYERS.index(layer):
            yield f"{layer} imports {'.'.join(target)}, but the layers are ui -> operators -> scene -> core."
        elif layer and target[0] not in LAYERS and not target[0].startswith("__"):
            yield f"{layer} imports '{'.'.join(target)}' of the package's root, which has nothing but register()."


def main() -> int:
    """Print what the package breaks; the exit status is 1 where there is anything."""
    violations = check_tree(Path(__file__).resolve().parent.parent)
    for violation in violations:
        print(violation)
    print(f"layers: {len(violations)} violation(s)" if violations else "layers: ui -> operators -> scene -> core holds")
    return bool(violations)


if __name__ == "__main__":
    sys.exit(main())
