"""Every place of this repository that has Penstock's version. `versions.py 1.2.3` is the check before a release."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
MEMBERS = ("contract", "runtime", "broker", "client", "gateway", "workers", "operator", "local", "distribution")


def versions() -> Iterator[tuple[str, str]]:
    """Each place with its version."""
    for member in MEMBERS:
        text = (ROOT / member / "pyproject.toml").read_text("utf-8")
        yield f"{member}/pyproject.toml", _found(r'^version = "(.+)"$', text)
    pins = re.findall(
        r"penstock-\w+(?:\[\w+\])?==([\w.]+)", (ROOT / "distribution" / "pyproject.toml").read_text("utf-8")
    )
    yield from (("a pin of distribution/pyproject.toml", pin) for pin in pins)
    chart = (ROOT / "charts" / "penstock" / "Chart.yaml").read_text("utf-8")
    yield "version of Chart.yaml", _found(r"^version: (.+)$", chart)
    yield "appVersion of Chart.yaml", _found(r"^appVersion: (.+)$", chart)
    yield "client-ts/package.json", str(json.loads((ROOT / "client-ts" / "package.json").read_text("utf-8"))["version"])
    for number, found in enumerate(
        re.findall(r"^ARG VERSION=(.+)$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    ):
        yield f"ARG VERSION {number} of the Dockerfile", found


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    assert match is not None, pattern
    return match[1].strip("\"'")


def main() -> None:
    (wanted,) = sys.argv[1:] or [""]
    wrong = [f"{place} has {version}" for place, version in versions() if version != wanted]
    if f"\n## {wanted}" not in (ROOT / "CHANGELOG.md").read_text("utf-8"):
        wrong.append(f"CHANGELOG.md has no section ## {wanted}")
    sys.exit("\n".join(wrong) or None)


if __name__ == "__main__":
    main()
