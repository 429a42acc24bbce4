"""Replaces cluster DNS and volume mounts for the chart's pods, in the container's process before the program starts.

    python in_pod.py FILE PROGRAM ARGUMENT…

FILE is a `Surroundings` in JSON. It replaces the cluster's DNS (names of Services in variables and arguments become
addresses) and the mounts: volumes are files below POD_ROOT, so a mounted token becomes a KUBECONFIG, a path in a
variable another one, and nats-server's configuration gets paths and addresses of this machine. Everything else of a
pod's spec is used as it is.
"""

import os
import runpy
import sys
from pathlib import Path

import msgspec
import yaml

ACCOUNT = "var/run/secrets/kubernetes.io/serviceaccount"


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """`services`: `name.namespace.svc:port` → `address:port`. `server`: the API server's URL. `data`: a directory."""

    services: dict[str, str]
    server: str
    data: str


def main() -> None:
    around = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Surroundings)
    program, *arguments = sys.argv[2:]
    env = dict(os.environ)
    pod_ip, root = env.pop("POD_IP"), Path(env.pop("POD_ROOT"))
    if Path(program).name == "nats-server":
        config = _nats_config(around, pod_ip, env["POD_NAME"], root / "etc/nats")
        os.execve(program, [program, "--config", config], env)
    if (root / ACCOUNT).exists():
        env["KUBECONFIG"] = _kubeconfig(around, root / ACCOUNT)
    for name in ("PENSTOCK_NATS_CREDENTIALS", "PENSTOCK_NATS_SIGNING_KEY", "PENSTOCK_KEYS_DIR"):
        if name in env:
            env[name] = str(root / env[name].lstrip("/"))
    if arguments[:1] == ["operator"]:
        # A worker's own process looks the name up for itself.
        env.setdefault("PENSTOCK_WORKER_NATS_URL", env["PENSTOCK_NATS_URL"])
    # All pods share one network here: what listens everywhere would meet.
    for name in ("PENSTOCK_HOST", "PENSTOCK_ADMIN_HOST", "PENSTOCK_PROBE_HOST"):
        if env.get(name, "0.0.0.0") == "0.0.0.0":
            env[name] = pod_ip
    env["PENSTOCK_NATS_URL"] = _resolved(env.get("PENSTOCK_NATS_URL", ""), around.services)
    # No exec: a forked process has all its imports, see `harness.fork_server`.
    os.environ.clear()
    os.environ.update(env)
    sys.argv = [program, *(_resolved(argument, around.services) for argument in arguments)]
    runpy.run_path(program, run_name="__main__")


def _kubeconfig(around: Surroundings, mounted: Path) -> str:
    """The kubeconfig that a client library would derive from a mounted token and the API server's address."""
    path = mounted / "kubeconfig"
    cluster = {"server": around.server, "certificate-authority": str(mounted / "ca.crt")}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "cluster", "cluster": cluster}],
        "users": [{"name": "user", "user": {"token": (mounted / "token").read_text()}}],
        "contexts": [{"name": "context", "context": {"cluster": "cluster", "user": "user"}}],
        "current-context": "context",
    }
    path.write_text(yaml.safe_dump(config))
    return str(path)


def _resolved(text: str, services: dict[str, str]) -> str:
    for name, address in services.items():
        text = text.replace(name, address)
    return text


def _nats_config(around: Surroundings, pod_ip: str, pod: str, mounted: Path) -> str:
    """Beside the original, where what it includes is."""
    text = (mounted / "nats.conf").read_text()
    (clients,) = [address for name, address in around.services.items() if name.endswith(":4222")]
    data = Path(around.data)
    for written, here in {
        '"0.0.0.0:4222"': f'"{clients}"',
        '"0.0.0.0:8222"': f'"{pod_ip}:8222"',
        "/run/nats/nats.pid": str(data / f"{pod}.pid"),
        "store_dir: /data": f"store_dir: {data / pod}",
    }.items():
        assert written in text, f"{written} is not in the chart's configuration:\n{text}"
        text = text.replace(written, here)
    path = mounted / "here.conf"
    path.write_text(text)
    return str(path)


if __name__ == "__main__":
    main()
