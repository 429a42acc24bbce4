"""containerd with runc and the network of pods, in one directory."""

import shutil
from pathlib import Path

import msgspec
from harness.kubernetes.node import network
from harness.kubernetes.node.builder import PAUSE
from harness.processes import Process, until

SOCKET = Path("/run/penstock-containerd.sock")
"""In the namespaces' own /run: a path below a run's directory may be too long for a socket."""
PLUGINS = Path("/usr/lib/cni")

# Routed, not bridged: between two ports of a bridge an answer goes around the address translation of Services, unless
# the machine has a kernel module loaded for that.
POD_NETWORK = {
    "cniVersion": "1.0.0",
    "name": "pods",
    "plugins": [
        {
            "type": "ptp",
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": network.PODS}]],
                "routes": [{"dst": "0.0.0.0/0"}],
                "dataDir": "/run/penstock-pod-addresses",
            },
        }
    ],
}
# restrict_oom_score_adj, disable_hugetlb_controller: the tests may be in a container themselves, with fewer rights.
CONFIG = """version = 2
root = "{root}"
state = "/run/penstock-containerd"
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  disable_hugetlb_controller = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{networks}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""


class ContainerRuntime:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.process: Process

    async def start(self) -> None:
        """Over the images that are in `root` already."""
        networks = self._directory / "networks"
        networks.mkdir()
        (networks / "pods.conflist").write_bytes(msgspec.json.encode(POD_NETWORK))
        config = self._directory / "containerd.toml"
        text = CONFIG.format(root=self.root, socket=SOCKET, pause=PAUSE, plugins=PLUGINS, networks=networks)
        config.write_text(text)
        binary = shutil.which("containerd")
        assert binary is not None
        command = [binary, "--config", str(config)]
        self.process = Process("containerd", command, self._directory / "containerd.log", leashed=True)

        def listening() -> bool:
            assert self.process.alive, self.process.log()
            return SOCKET.exists()

        await until(listening, "containerd listens")

    @property
    def root(self) -> Path:
        return self._directory / "containerd"
