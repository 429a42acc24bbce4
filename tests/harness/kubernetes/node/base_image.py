"""The base image of the Dockerfile's stages: a small Debian with its Python, so that no registry is needed."""

import hashlib
import subprocess
import tempfile
from pathlib import Path

from harness.kubernetes import binaries
from harness.kubernetes.node.stopwatch import step

SUITE = "bookworm"
PACKAGES = ("ca-certificates", "python3-minimal", "python3-venv")
CLEANED = ("var/cache/apt", "var/lib/apt/lists", "var/log")


def key() -> str:
    return hashlib.sha256(" ".join([SUITE, *PACKAGES]).encode()).hexdigest()[:12]


def archive() -> Path:
    """Its root file system as a tar file, made once."""
    target = binaries.cache() / "images" / f"base-{key()}.tar"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with step(f"debootstrap {SUITE} into {target}"), tempfile.TemporaryDirectory(dir=target.parent) as directory:
        root = Path(directory) / "root"
        unfinished = Path(directory) / "base.tar"
        # In mounts of its own, as it mounts /proc and may be interrupted.
        bootstrap = ("unshare", "--mount", "debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}")
        log = Path(directory) / "log"
        with log.open("wb") as logged:
            done = subprocess.run([*bootstrap, SUITE, root, *_mirror()], check=False, stdout=logged, stderr=logged)
        if done.returncode != 0:
            raise RuntimeError(f"debootstrap: {log.read_text()[-2000:]}")
        excluded = (f"--exclude=./{path}/*" for path in CLEANED)
        subprocess.run(["tar", "-C", root, *excluded, "--one-file-system", "-cf", unfinished, "."], check=True)
        unfinished.replace(target)
    return target


def _mirror() -> list[str]:
    """The mirror that this machine's apt uses for the suite, if any; else debootstrap's default."""
    request = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", f"Codename: {SUITE}"]
    logged = subprocess.run(request, capture_output=True, text=True, check=False).stdout.split()
    return logged[:1]
