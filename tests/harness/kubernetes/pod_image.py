"""Images without a registry: the program of this machine for each name on an image's PATH.

`Image({"penstock": ["/venv/bin/penstock"]})` starts a container with `command: [penstock, worker]` as that program. An
image that crashes, or starts slowly, or never gets ready is one whose program does so; one that was not pushed
cannot be pulled.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct


class Image(Struct, frozen=True):
    """`programs`: name → what to start instead, before the container's own arguments.

    `env` is the image's own; `{pod_ip}` in it is the pod's address and `{root}` the directory
    of its volumes. A `hollow` one starts nothing and is ready at once: for many pods that need not do anything.
    """

    programs: Mapping[str, Sequence[str]] = {}
    entrypoint: Sequence[str] = ()
    env: Mapping[str, str] = {}
    hollow: bool = False


class StartError(Exception):
    """The container cannot be started; the message has containerd's form."""


def not_found(image: str) -> str:
    """The error of containerd for an image that the registry lacks."""
    return (
        f'rpc error: code = NotFound desc = failed to pull and unpack image "{image}": '
        f'failed to resolve reference "{image}": {image}: not found'
    )


def misspelled(image: str) -> str | None:
    """A kubelet's error for an invalid image name; only the rule that is often broken."""
    repository = image.partition("@")[0].rpartition(":")[0] or image
    if repository == repository.lower():
        return None
    return (
        f'Failed to apply default image tag "{image}": couldn\'t parse image name "{image}": '
        f"invalid reference format: repository name ({repository}) must be lowercase"
    )


def command(image: Image, container: Mapping[str, Any]) -> list[str]:
    """The command line: the container's command or the image's, its program replaced."""
    wanted = [*(container.get("command") or image.entrypoint), *container.get("args", [])]
    program = wanted[0] if wanted else ""
    if program in image.programs:
        return [*image.programs[program], *wanted[1:]]
    raise StartError(
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
        f'unable to start container process: exec: "{program}": executable file not found in $PATH: unknown'
    )


def environment(image: Image, pod_ip: str, root: Path, own: Mapping[str, str]) -> dict[str, str]:
    """The process's whole environment: the image's, then the container's own over it."""
    of_image = {name: value.format(pod_ip=pod_ip, root=root) for name, value in image.env.items()}
    return {"PATH": os.environ["PATH"], "HOME": "/", **of_image, **own}
