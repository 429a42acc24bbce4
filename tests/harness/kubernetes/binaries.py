"""The cluster's binaries: built once with the machine's own `go` from the pinned modules of `tests/cluster/go`.

Nothing fetched is in git, and nothing is fetched but Go modules. A build lands in a folder named by what it was made
from, so that another version never meets an old binary. `python -m harness.kubernetes.binaries [all|NAME…]` builds what
is missing; a test never does, as it would be stopped long before the compiler is done.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

GO = Path(__file__).parents[2] / "cluster" / "go"


class Tool(NamedTuple):
    """Its main package, and the folder of the module below `tests/cluster/go` that has it as a `tool`."""

    package: str
    module: str = "."


TOOLS: Mapping[str, Tool] = {
    "etcd": Tool("go.etcd.io/etcd/server/v3"),
    "kubectl": Tool("k8s.io/kubernetes/cmd/kubectl"),
    "kube-apiserver": Tool("k8s.io/kubernetes/cmd/kube-apiserver"),
    "kube-controller-manager": Tool("k8s.io/kubernetes/cmd/kube-controller-manager"),
    "kube-scheduler": Tool("k8s.io/kubernetes/cmd/kube-scheduler"),
    # A module of its own: in Kubernetes' it would bring a newer client-go into the API server.
    "helm": Tool("helm.sh/helm/v4/cmd/helm", "helm"),
    # In the same module, so that both are built from the same Kubernetes libraries, which are nearly all of it.
    "helm3": Tool("helm.sh/helm/v3/cmd/helm", "helm"),
    "kubeconform": Tool("github.com/yannh/kubeconform/cmd/kubeconform", "kubeconform"),
    "skaffold": Tool("github.com/GoogleContainerTools/skaffold/v2/cmd/skaffold", "skaffold"),
    "kubelet": Tool("k8s.io/kubernetes/cmd/kubelet"),
    "kube-proxy": Tool("k8s.io/kubernetes/cmd/kube-proxy"),
    "kube-router": Tool("github.com/cloudnativelabs/kube-router/v2/cmd/kube-router", "kube-router"),
    # Ours: the main package lies beside its go.mod.
    "coredns": Tool(".", "coredns"),
    "pause": Tool(".", "pause"),
    "grafana": Tool(".", "grafana"),
    "compose": Tool(".", "compose"),
    "actionlint": Tool("github.com/rhysd/actionlint/cmd/actionlint", "actionlint"),
}
OF_A_NODE = ("kubelet", "kube-proxy", "kube-router", "coredns", "pause")
"""Binaries that only the tests on real pods need."""
BY_NAME = ("skaffold",)
"""Its build takes as long as all others together: it is built on request only, as by `make test-skaffold`."""
OF_A_CLUSTER = tuple(name for name in TOOLS if name not in {*OF_A_NODE, *BY_NAME})
"""The binaries of every cluster that the tests and `make cluster` start."""
ON_A_GIVEN_CLUSTER = ("kubectl", "helm", "helm3", "kubeconform")
"""The binaries that the tests need beside an external cluster."""


ENVIRONMENT: Mapping[str, str] = {"GOGC": "400"}
"""For a starter of one: by default Go collects garbage so often that it takes a fifth of an API server's CPU."""

GIVEN = "PENSTOCK_TEST_KUBECONFIG"
"""Set, the tests use the cluster of that kubeconfig."""


class MissingToolchainError(RuntimeError):
    """There is something to build and no Go to build it with; the message has the remedy."""


class NotBuiltError(RuntimeError):
    """A requested binary was not built."""


def version() -> str:
    """Of Kubernetes, as go.mod pins it: `v1.36.3`."""
    return str(_pinned(r"k8s\.io/kubernetes (v\S+)"))


def directory(module: str = ".") -> Path:
    """Where the binaries of a module are or will be."""
    source = GO / module
    files = [source / "go.mod", source / "go.sum", *sorted(source.glob("*.go"))]
    made_from = "\n".join([*_flags(module), *(file.read_text() for file in files)])
    key = hashlib.sha256(made_from.encode()).hexdigest()[:16]
    return cache() / "cluster" / key


def cache() -> Path:
    """Files that the tests keep between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penstock"


def binary(name: str) -> Path:
    """A binary that is there."""
    path = directory(TOOLS[name].module) / name
    if not path.exists():
        raise NotBuiltError(f"{name} is not built yet: make test-cluster does that first")
    return path


def build(*names: str) -> None:
    """Build those of the named binaries that are not there yet."""
    for module in dict.fromkeys(TOOLS[name].module for name in names):
        _build_all(module, [name for name in names if TOOLS[name].module == module])


def _build_all(module: str, names: list[str]) -> None:
    target = directory(module)
    if all((target / name).exists() for name in names):
        return
    target.mkdir(parents=True, exist_ok=True)
    # A second run beside this one waits here and then finds everything.
    with (target / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [name for name in names if not (target / name).exists()]
        if missing:
            _require_go()
            _print(f"Building {', '.join(missing)} into {target} (once; some minutes on two cores)")
        for name in missing:
            started = time.monotonic()
            _build(name, target, module)
            _print(f"  {name:<24} {time.monotonic() - started:6.1f} s")


def _build(name: str, target: Path, module: str) -> None:
    unfinished = target / f"{name}.unfinished"
    command = ["go", "build", *_flags(module), "-o", str(unfinished), TOOLS[name].package]
    subprocess.run(command, cwd=GO / module, env={**os.environ, "CGO_ENABLED": "0"}, check=True)
    unfinished.replace(target / name)


def _flags(module: str) -> list[str]:
    stamps = {".": _kubernetes_stamps, "helm": _helm_stamps}.get(module, dict)()
    link = " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in stamps.items())])
    return ["-trimpath", "-mod=readonly", f"-ldflags={link}"]


def _kubernetes_stamps() -> Mapping[str, str]:
    """An API server that calls itself v0.0.0 breaks a chart's `kubeVersion`."""
    release = version()
    major, minor, _ = release.removeprefix("v").split(".")
    return {
        "k8s.io/component-base/version.gitVersion": release,
        "k8s.io/component-base/version.gitMajor": major,
        "k8s.io/component-base/version.gitMinor": minor,
        "k8s.io/client-go/pkg/version.gitVersion": release,
    }


def _helm_stamps() -> Mapping[str, str]:
    # The linker passes over what is not in a binary. Helm 3 takes an unstamped Kubernetes for v1.20.
    _, minor, _ = str(_pinned(r"k8s\.io/client-go v(\S+)", "helm")).split(".")
    kubernetes = {"k8sVersionMajor": "1", "k8sVersionMinor": minor}
    return {
        **{
            f"helm.sh/helm/{major}/internal/version.version": _pinned(rf"helm\.sh/helm/{major} (v\S+)", "helm")
            for major in ("v3", "v4")
        },
        **{
            f"helm.sh/helm/v3/pkg/{package}.{name}": value
            for package in ("chartutil", "lint/rules")
            for name, value in kubernetes.items()
        },
    }


def _require_go() -> None:
    needed = _pinned(r"^go (\d+\.\d+)")
    if shutil.which("go") is None:
        raise MissingToolchainError(f"the cluster tests build Kubernetes from source: install Go {needed} or newer")
    # Run inside the module: an older go with GOTOOLCHAIN=auto has then downloaded the newer one.
    answer = subprocess.run(["go", "env", "GOVERSION"], cwd=GO, capture_output=True, text=True, check=False)
    found = re.fullmatch(r"go(\d+)\.(\d+).*", answer.stdout.strip())
    if found is None or (int(found[1]), int(found[2])) < tuple(map(int, needed.split("."))):
        logged = answer.stdout.strip() or answer.stderr.strip()
        raise MissingToolchainError(f"the cluster tests need Go {needed} or newer, here is: {logged}")


def _pinned(pattern: str, module: str = ".") -> str:
    found = re.search(pattern, (GO / module / "go.mod").read_text(), re.MULTILINE)
    assert found is not None, f"go.mod has no {pattern}"
    return found[1]


def _print(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - what a person waits minutes for


if __name__ == "__main__":
    try:
        requested = list(TOOLS) if sys.argv[1:] == ["all"] else sys.argv[1:]
        build(*(requested or (ON_A_GIVEN_CLUSTER if os.environ.get(GIVEN) else OF_A_CLUSTER)))
    except (MissingToolchainError, subprocess.CalledProcessError) as error:
        sys.exit(f"make test-cluster: {error}")
