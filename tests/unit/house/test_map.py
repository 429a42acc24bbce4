"""The folders of the product: ARCHITECTURE.md's map names each of them, and none holds too many modules."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FOLDERS = sorted({path.parent for path in ROOT.glob("*/src/penstock_*/**/*.py")})
MODULES_MAX = 14


def test_map_names_every_folder_and_no_other() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = re.findall(r"^\| `(\w+/src/[\w/]+)` \|", text, re.MULTILINE)
    assert sorted(named) == [str(folder.relative_to(ROOT)) for folder in FOLDERS]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_map_folders_hold_few_modules_and_describe_themselves(folder: Path) -> None:
    modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= MODULES_MAX
    assert (folder / "__init__.py").read_text().startswith('"""')
