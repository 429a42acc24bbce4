"""The client's types are part of its interface: the output of mypy --strict is tested."""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".mypy_cache" / "typing"


def mypy(name: str) -> str:
    """The output of mypy for one file, with fixed settings, so that the project's settings do not change the test."""
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        f"--cache-dir={CACHE}",
        "--no-error-summary",
        name,
    ]
    return subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False).stdout


def test_client_types_are_complete_for_a_type_checker() -> None:
    """Every `assert_type` holds, for both clients."""
    assert mypy("client_types.py") == ""


def test_client_types_reject_wrong_combinations() -> None:
    """Each marked line raises its error, and no other line raises any."""
    lines = (HERE / "client_types_rejected.py").read_text().splitlines()
    expected = {(number, line.split("# rejected: ")[1]) for number, line in enumerate(lines, 1) if "# rejected" in line}

    found = re.findall(
        r"^client_types_rejected\.py:(\d+): error: .*\[([a-z-]+)\]$", mypy("client_types_rejected.py"), re.MULTILINE
    )

    assert expected == {(int(number), code) for number, code in found}
