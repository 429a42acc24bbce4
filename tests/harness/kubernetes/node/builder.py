"""Builds the project's images from the Dockerfile with buildah, without a daemon and without a registry.

    builder = Builder(scratch)
    name = builder.build("models")          # localhost/penstock-models:id-<its id>
    archive = builder.save(name)

It builds outside of a node's namespaces, which have no route to the packages. A store of its own keeps the layers.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from harness.kubernetes import binaries
from harness.kubernetes.node import base_image
from harness.kubernetes.node.command import call
from harness.kubernetes.node.stopwatch import step

ROOT = Path(__file__).parents[4]
PAUSE = "localhost/pause:1"
LAYERS_MAX = 80
"""So many images, those between two layers too, and the store is begun anew."""


class Builder:
    """`scratch` takes archives and contexts."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        if len(_buildah("images", "--quiet", "--all").split()) > LAYERS_MAX:
            _buildah("rmi", "--all", "--force")
        self._base = self._make_base()

    def build(self, target: str) -> str:
        """A stage of the Dockerfile; returns the image's name. Its tag is its id: the same image, the same name."""
        repository = f"localhost/{target if target == 'penstock' else f'penstock-{target}'}"
        with step(f"build {repository}"):
            id_file = self._scratch / f"{target}.id"
            options = (f"--target={target}", f"--build-arg=BASE={self._base}", f"--iidfile={id_file}")
            # Behind a proxy that has certificates of its own.
            machine = ("--volume=/etc/ssl/certs:/etc/ssl/certs:ro", "--network=host")
            _buildah("build", "--layers", *options, *machine, ROOT)
            id_ = id_file.read_text().strip().removeprefix("sha256:")
            # Never of digits alone: by `--set` that would be a number, and Helm refuses it.
            name = f"{repository}:id-{id_[:12]}"
            _buildah("tag", id_, name)
        return name

    def build_pause(self) -> str:
        context = self._scratch / "pause"
        context.mkdir()
        shutil.copy(binaries.binary("pause"), context / "pause")
        (context / "Dockerfile").write_text('FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n')
        _buildah("build", "--tag", PAUSE, context)
        return PAUSE

    def save(self, name: str) -> Path:
        path = self._scratch / f"{name.rpartition('/')[2].replace(':', '-')}.tar"
        _buildah("push", name, f"docker-archive:{path}:{name}")
        return path

    def _make_base(self) -> str:
        name = f"localhost/base:{base_image.key()}"
        if not _buildah("images", "--quiet", "--filter", f"reference={name}"):
            archive = base_image.archive()
            with step(f"make {name}"):
                context = self._scratch / "base"
                context.mkdir()
                os.link(archive, context / archive.name)
                (context / "Dockerfile").write_text(f"FROM scratch\nADD {archive.name} /\n")
                _buildah("build", "--layers", "--tag", name, context)
        return name


def key() -> str:
    """Of everything that the images are made of, and of how: names are given here."""
    digest = hashlib.sha256(base_image.key().encode())
    for module in ("builder.py", "images.py"):
        digest.update(Path(__file__).with_name(module).read_bytes())
    for name in sorted(["Dockerfile", *_sources()]):
        digest.update(f"{name}\0".encode())
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()[:12]


def _sources() -> Iterator[str]:
    """The files that .dockerignore does not exclude."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    for path in (ROOT / line.removeprefix("!") for line in lines if line.startswith("!")):
        for file in path.rglob("*") if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                yield str(file.relative_to(ROOT))


def _buildah(*arguments: str | Path) -> str:
    cache = binaries.cache() / "images"
    storage = (f"--root={cache / 'buildah'}", f"--runroot={cache / 'buildah-run'}", "--storage-driver=overlay")
    # In mounts of its own: its store would stay mounted.
    return call("unshare", "--mount", "buildah", *storage, *arguments, variables={"BUILDAH_ISOLATION": "chroot"})
