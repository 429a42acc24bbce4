"""One version everywhere, and `make release-check` names the places that differ."""

import importlib.util
import subprocess
import sys
from pathlib import Path

FILE = Path(__file__).parents[3] / "distribution" / "versions.py"


def _versions() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("versions", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return dict(module.versions())


def test_versions_are_equal_everywhere() -> None:
    found = _versions()
    assert len(found) > 12
    assert len(set(found.values())) == 1, found


def test_release_check_names_each_place_with_another_version() -> None:
    done = subprocess.run([sys.executable, FILE, "99.0.0"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert {line.rpartition(" has ")[0] for line in done.stderr.splitlines()} == {*_versions(), "CHANGELOG.md"}
