"""The room that all others use."""

import ast
from pathlib import Path

import gan_augment._core


def test_it_imports_none_of_the_others():
    for path in Path(gan_augment._core.__file__).parent.glob("*.py"):
        imports = [each for each in ast.walk(ast.parse(path.read_text())) if isinstance(each, ast.ImportFrom)]
        assert not [each.module for each in imports if each.level > 1 or str(each.module).startswith("gan_augment")]
