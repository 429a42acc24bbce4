"""Installs the peers' packages and sources, once, into a folder that git ignores.

Every artefact is pinned and hashed by a file beside this one; a stamp of that file shows whether the installation
is current. The module does not start or measure a peer.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = HERE.parent / ".cache" / "bench"


def print_line(line: str) -> None:
    """Progress goes to stderr; stdout is the table's."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def locked() -> Iterator[None]:
    """Hold the cache, and with it the right to measure: two benchmarks at once would measure each other."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print_line("another benchmark is running on this checkout: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def venv(name: str) -> Path:
    """A virtual environment with requirements-<name>.txt, built by the interpreter that runs this.

    Without dependency resolution: the lock lists everything, and LiteLLM's holds two overrides that pip would refuse.
    """
    folder, requirements = CACHE / name, HERE / f"requirements-{name}.txt"
    stamp = _stamp(requirements.read_bytes(), sys.version)
    if _installed(folder) == stamp:
        return folder
    print_line(f"installing {requirements.name} (once)")
    shutil.rmtree(folder, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(folder)])
    pip = [str(folder / "bin" / "pip"), "install", "--disable-pip-version-check", "--quiet"]
    _run([*pip, "--no-deps", "--require-hashes", "-r", str(requirements)])
    (folder / "stamp").write_text(stamp)
    return folder


def hono() -> Path:
    """The relay with its locked node_modules beside it, where Node looks for them."""
    folder, source = CACHE / "hono", HERE / "hono"
    stamp = _stamp((source / "package-lock.json").read_bytes())
    if _installed(folder) != stamp:
        print_line("installing hono/package-lock.json (once)")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(source, folder)
        _run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder)
        (folder / "stamp").write_text(stamp)
    shutil.copy(source / "relay.mjs", folder)
    return folder


def load_binary() -> Path:
    """The provider and client; go builds only what has changed."""
    binary = CACHE / "load"
    _run(["go", "build", "-trimpath", "-o", str(binary), "."], cwd=HERE / "load")
    return binary


def _stamp(*parts: bytes | str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else part.encode())
    return digest.hexdigest()


def _installed(folder: Path) -> str | None:
    stamp = folder / "stamp"
    return stamp.read_text() if stamp.exists() else None


def _run(argv: Sequence[str], cwd: Path = HERE) -> None:
    subprocess.run(argv, cwd=cwd, check=True, stdout=sys.stderr)
