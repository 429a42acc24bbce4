"""Room for brokers: a cluster without a provisioner has only the volumes that were created."""

from pathlib import Path

from harness.kubernetes.api import Manifest

COUNT = 12
SIZE = "2Gi"


def make(directory: Path) -> list[Manifest]:
    """Directories, and the PersistentVolumes that are these."""
    return [_volume(directory / f"volume-{number}") for number in range(COUNT)]


def _volume(path: Path) -> Manifest:
    path.mkdir(parents=True)
    # The kubelet gives no hostPath to a pod's group.
    path.chmod(0o777)
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": path.name},
        "spec": {
            "capacity": {"storage": SIZE},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": str(path)},
            "persistentVolumeReclaimPolicy": "Retain",
        },
    }
