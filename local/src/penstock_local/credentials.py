"""Credentials of one run: its admin token, and a first API key if the gateway requires keys."""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import msgspec

from penstock_contract.dev_run_file import AdminAddress
from penstock_contract.limits.api_keys import new_secret
from penstock_local import state_directory
from penstock_runtime.listen_address import Authentication, keys_required
from penstock_runtime.settings import variable

_CHOICE = variable("authentication")
_FIRST_KEY = variable("first_key")


class RunCredentials(msgspec.Struct, frozen=True):
    """`first_key` is None if no key is required. An environment variable sets it, else it is as old as the state."""

    admin_port: int
    admin_token: str
    first_key: str | None

    @property
    def admin(self) -> AdminAddress:
        return AdminAddress(f"http://127.0.0.1:{self.admin_port}", self.admin_token)


def run_credentials(
    host: str, admin_port: int, environ: Mapping[str, str], state: Path | None = None
) -> RunCredentials:
    """`state` is the directory that outlives the run, if there is one."""
    # The gateway refuses any other word: its error names the variable.
    chosen = cast("Authentication | None", environ.get(_CHOICE))
    required = keys_required(host, chosen)
    return RunCredentials(
        admin_port=admin_port,
        admin_token=secrets.token_hex(24),
        first_key=_first_key(environ, state) if required else None,
    )


def _first_key(environ: Mapping[str, str], state: Path | None) -> str:
    if state is None:
        return environ.get(_FIRST_KEY, new_secret())
    return state_directory.first_key(state, new_secret(), environ, _FIRST_KEY)
