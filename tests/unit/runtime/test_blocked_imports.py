"""Gateway and worker do not import modules at their start that they never use."""

import subprocess
import sys

import pytest

UNUSED = ("aiohttp", "rich")
"""The names are literal, because an import of their constant would load the modules in this process."""


@pytest.mark.parametrize("package", ["penstock_gateway", "penstock_worker"])
def test_blocked_imports_are_not_loaded(package: str) -> None:
    process = subprocess.run(
        [sys.executable, "-c", f"import {package}.__main__, sys; print(*(sys.modules[name] for name in {UNUSED}))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout.split() == ["None"] * len(UNUSED)
