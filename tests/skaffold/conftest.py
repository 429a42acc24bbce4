"""Fixtures of the tests with the real skaffold. `make test-skaffold` builds it first."""

from pathlib import Path

import pytest
from harness.kubernetes.helm import Helm
from harness.kubernetes.skaffold import Skaffold


@pytest.fixture
def skaffold(tmp_path: Path) -> Skaffold:
    return Skaffold(tmp_path)


@pytest.fixture
def helm(tmp_path: Path) -> Helm:
    return Helm(tmp_path)
