"""The API key of a provider: a file that the cluster replaces while the worker runs, else an environment variable.

In a cluster each Secret is mounted, and the kubelet replaces the files within about a minute after the Secret has
changed. A removed file changes nothing: the last key stays in use, as `kubectl delete` and
`kubectl create` in a row are a usual way to rotate a key.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from penstock_contract.route.secret_ref import SecretKeyRef, secret_variable

CHECK_S: Final = 1.0
KEY_BYTES_MAX: Final = 65_536
Stamp = tuple[int, int, int]


class ProviderKey:
    """`file` is None where no Secret is mounted. `now` is monotonic."""

    def __init__(self, file: Path | None, variable: str | None, now: Callable[[], float]) -> None:
        self._file = file
        self._value = (variable or "").strip() or None
        self._now = now
        self._stamp: Stamp | None = None
        self._checked_at = float("-inf")
        self.number = 0
        """Counts the changes."""

    def value(self) -> str | None:
        """The current key; the file is checked once a second at most."""
        if self._now() - self._checked_at >= CHECK_S:
            self.check()
        return self._value

    def check(self) -> bool:
        """Read the file again if it has changed. Returns True if the key has changed."""
        self._checked_at = self._now()
        if self._file is None:
            return False
        try:
            # Follows the symbolic links by which the kubelet replaces all files of a volume atomically.
            found = os.stat(self._file)  # noqa: PTH116 - once a second in the path of a request
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
            if stamp == self._stamp or found.st_size > KEY_BYTES_MAX:
                return False
            text = self._file.read_bytes().decode().strip()
        except (OSError, UnicodeDecodeError):
            return False
        self._stamp = stamp
        before = self._value
        self._value = text or before
        changed = self._value != before
        self.number += changed
        return changed


class ProviderKeys:
    """Source of the keys: `directory` contains `<secret>/<key>`; None on a machine without Secrets."""

    def __init__(self, directory: str | None, environ: Mapping[str, str], now: Callable[[], float]) -> None:
        self._directory = Path(directory) if directory is not None else None
        self._environ = environ
        self._now = now

    def of(self, ref: SecretKeyRef | None) -> ProviderKey | None:
        """None for a provider without a key."""
        if ref is None:
            return None
        variable = self._environ.get(secret_variable(ref))
        # An invalid file name cannot be the key of a Secret either.
        named = all(Path(part).name == part for part in (ref.name, ref.key))
        file = self._directory / ref.name / ref.key if self._directory is not None and named else None
        return ProviderKey(file, variable, self._now)
