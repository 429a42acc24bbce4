"""Checks of the gateway: the port that `penstock dev` uses, its settings, and one that PENSTOCK_URL names."""

import difflib
import email.utils
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import httpx
import msgspec

from penstock_gateway.settings import GatewaySettings
from penstock_local.doctor.broker import skew
from penstock_local.doctor.diagnosis import Diagnosis, ok, problem, warning
from penstock_local.process import ports
from penstock_local.process.ports import PortTaken
from penstock_runtime import settings
from penstock_runtime.settings import PREFIX, InvalidSettings
from penstock_worker.settings import WorkerSettings

TIMEOUT_S: Final = 5.0
_OTHERS: Final = frozenset({"URL", "API_KEY", "ADMIN_URL"})
"""Read by commands, not by a process's settings."""
_OURS: Final = ("TEST_", "CUT_", "SOURCE_")


def port(host: str, number: int) -> Diagnosis:
    try:
        ports.listener(host, number).close()
    except PortTaken as error:
        return _taken(host, number, str(error))
    return ok("port", f"{host}:{number} is free")


def _taken(host: str, number: int, message: str) -> Diagnosis:
    try:
        answer = httpx.get(f"http://{host}:{number}/health", timeout=TIMEOUT_S, trust_env=False)
        penstock = "x-request-id" in answer.headers
    except httpx.HTTPError:
        penstock = False
    if penstock:
        return warning("port", f"a Penstock gateway listens on {host}:{number}", "use it, end it, or add --port 9000")
    return problem("port", message.partition(";")[0], "choose another with --port, or end what listens there")


def variables(environ: Mapping[str, str]) -> Iterator[Diagnosis]:
    """The PENSTOCK_* variables: values that a process would refuse, and names that none reads."""
    known = {settings.variable(name) for kind in (GatewaySettings, WorkerSettings) for name in kind.__struct_fields__}
    known |= {PREFIX + name for name in _OTHERS}
    given = {name for name in environ if name.startswith(PREFIX)}
    for name in sorted(given - known):
        if not name.removeprefix(PREFIX).startswith(_OURS):
            close = difflib.get_close_matches(name, known, n=1)
            advice = f"did you mean {close[0]}?" if close else "docs/reference/settings.md has all of them"
            yield warning("settings", f"no process reads {name}", advice)
    try:
        # What `penstock dev` sets by itself.
        settings.load(GatewaySettings, {f"{PREFIX}NATS_URL": "nats://127.0.0.1:4222", **environ})
    except InvalidSettings as error:
        yield problem("settings", str(error), "correct or unset the variable, see docs/reference/settings.md")
        return
    except (ValueError, msgspec.ValidationError) as error:
        yield problem("settings", str(error), "see docs/reference/settings.md")
        return
    yield ok("settings", f"{len(given)} PENSTOCK_ variables are set" if given else "no PENSTOCK_ variable is set")


def reached(url: str, key: str | None, now: Callable[[], float]) -> Iterator[Diagnosis]:
    base = url.rstrip("/").removesuffix("/v1")
    headers = {"authorization": f"Bearer {key}"} if key else {}
    try:
        with httpx.Client(base_url=base, timeout=TIMEOUT_S, headers=headers) as client:
            ready = client.get("/ready")
            models = client.get("/v1/models") if ready.is_success else None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        advice = "start it with penstock dev, or correct PENSTOCK_URL; behind a proxy, set NO_PROXY for a local address"
        yield problem("gateway", f"{base} cannot be reached: {error}", advice)
        return
    if (date := ready.headers.get("date")) is not None:
        yield skew("gateway-clock", now() - email.utils.parsedate_to_datetime(date).timestamp(), base)
    if models is None:
        yield problem(
            "gateway", f"{base}/ready is {ready.status_code}: {ready.text[:200]}", "see docs/troubleshooting.md"
        )
    elif models.status_code == 401:
        what = "refuses PENSTOCK_API_KEY" if key else "requires an API key"
        yield problem("gateway", f"{base} {what}", "set PENSTOCK_API_KEY to one of `penstock keys create`")
    elif not models.is_success:
        yield problem("gateway", f"{base}/v1/models is {models.status_code}", "is it a Penstock gateway?")
    else:
        yield ok("gateway", f"{base} is ready")
