"""What a gateway and a worker never use is not imported when they start."""

import subprocess
import sys

import pytest

UNUSED = ("aiohttp", "rich")
"""Not imported from where they are named: then they would not be there for this process either."""


@pytest.mark.parametrize("package", ["penstock_gateway", "penstock_worker"])
def test_lean_start_does_not_import_unused_modules(package: str) -> None:
    process = subprocess.run(
        [sys.executable, "-c", f"import {package}.__main__, sys; print(*(sys.modules[name] for name in {UNUSED}))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout.split() == ["None"] * len(UNUSED)
