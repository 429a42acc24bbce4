"""The images that a node has from the start, as the directory of a containerd that has imported them.

It is kept under the hash of all that the images are made of, and a run's containerd begins with a copy of it in hard
links: layers are never written to. Another code begins with the last one's directory, so that only what is new in it is
imported.
"""

import contextlib
import fcntl
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from harness.kubernetes import binaries
from harness.kubernetes.node import builder
from harness.kubernetes.node.builder import Builder
from harness.kubernetes.node.command import call
from harness.kubernetes.node.stopwatch import step
from msgspec import Struct

KEPT = 3
"""Sets of images that stay for the next run, after their last use."""
START_S = 20.0

CONFIG = """version = 2
root = "{root}"
state = "{state}"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{socket}"
"""
CATALOGUES = (
    "io.containerd.metadata.v1.bolt/meta.db",
    "io.containerd.snapshotter.v1.overlayfs/metadata.db",
    "images.json",
)
"""Files that are changed in place, by containerd and by `fill`; all others are only added and removed."""


class Images(Struct, frozen=True):
    """Each as `repository:tag`. The names are the Dockerfile's stages."""

    penstock: str
    models: str
    nats: str

    def values(self) -> dict[str, Any]:
        """The chart's values that name them."""

        def image(name: str) -> Mapping[str, str]:
            repository, _, tag = name.rpartition(":")
            return {"repository": repository, "tag": tag}

        return {
            "image": image(self.penstock),
            "models": {"image": image(self.models)},
            "nats": {"image": image(self.nats)},
        }


class Store:
    """The directory of a set of images, by the set's `tag`."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.path = binaries.cache() / "images" / f"store-{tag}"

    @property
    def images(self) -> Images:
        return msgspec.json.decode((self.path / "images.json").read_bytes(), type=Images)

    def copy(self, target: Path) -> None:
        """For a containerd's `root`."""
        subprocess.run(["cp", "--archive", "--link", self.path, target], check=True)
        for name in CATALOGUES:
            (target / name).unlink()
            shutil.copy2(self.path / name, target / name)

    def fill(self, last: "Store | None") -> None:
        """Build the images; those that `last` has are taken from there."""
        with tempfile.TemporaryDirectory(dir=self.path.parent) as directory:
            scratch = Path(directory)
            maker = Builder(scratch)
            images = Images(*(maker.build(target) for target in Images.__struct_fields__))
            root = scratch / "root"
            if last is not None:
                last.copy(root)
            wanted = {builder.PAUSE, *msgspec.structs.astuple(images)}
            with step(f"import {', '.join(sorted(wanted))}"), _containerd(scratch) as socket:
                ctr = ("ctr", "--address", socket, "--namespace=k8s.io", "images")
                # Read from containerd: a file beside it may be wrong after a run that was ended.
                present = set(call(*ctr, "ls", "--quiet").split())
                for name in sorted(wanted - present):
                    archive = maker.save(maker.build_pause() if name == builder.PAUSE else name)
                    call(*ctr, "import", archive)
                    archive.unlink()
                for name in present - wanted:
                    call(*ctr, "rm", "--sync", name)
            (root / "images.json").write_bytes(msgspec.json.encode(images))
            root.replace(self.path)


def prepare() -> Store:
    """The images of the code as it is now."""
    home = binaries.cache() / "images"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        store = Store(builder.key())
        if not store.path.exists():
            last = _kept(home)
            store.fill(last[0] if last else None)
        # For the order in which they go.
        store.path.touch()
        for unneeded in _kept(home)[KEPT:]:
            shutil.rmtree(unneeded.path)
    return store


def _kept(home: Path) -> list[Store]:
    """The last first."""
    paths = sorted(home.glob("store-*/images.json"), key=lambda path: path.parent.stat().st_mtime, reverse=True)
    return [Store(path.parent.name.removeprefix("store-")) for path in paths]


@contextlib.contextmanager
def _containerd(scratch: Path) -> Iterator[Path]:
    """One without Kubernetes' part, for filling `root`; in mounts of its own, as it mounts to unpack."""
    socket, config, log = (scratch / f"containerd.{kind}" for kind in ("sock", "toml", "log"))
    config.write_text(CONFIG.format(root=scratch / "root", state=scratch / "state", socket=socket))
    with log.open("wb") as logged:
        command = ("unshare", "--mount", "--", "containerd", "--config", str(config))
        process = subprocess.Popen(command, stdout=logged, stderr=logged, stdin=subprocess.DEVNULL)
    try:
        end = time.monotonic() + START_S
        while subprocess.run(["ctr", "-a", socket, "version"], capture_output=True, check=False).returncode != 0:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"containerd:\n{log.read_text()[-4000:]}")
            time.sleep(0.1)
        yield socket
    finally:
        process.terminate()
        process.wait()
