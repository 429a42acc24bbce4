"""A container's probes as a kubelet runs them: httpGet, with its period, thresholds and timeout."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import httpx


class Probe:
    """Calls `verdict(True)` or `verdict(False)` when a threshold is reached, and again only when it changes."""

    def __init__(self, spec: Mapping[str, Any], container: Mapping[str, Any], pod_ip: str, http: httpx.AsyncClient):
        if "httpGet" not in spec:
            raise NotImplementedError(f"the pocket kubelet knows no probe like {spec}")
        request = spec["httpGet"]
        port = request["port"]
        if isinstance(port, str):
            port = next(named["containerPort"] for named in container["ports"] if named.get("name") == port)
        self._url = f"http://{request.get('host', pod_ip)}:{port}{request.get('path', '/')}"
        self._http = http
        self._delay_s = spec.get("initialDelaySeconds", 0)
        self._period_s = spec.get("periodSeconds", 10)
        self._timeout_s = spec.get("timeoutSeconds", 1)
        self._thresholds = {True: spec.get("successThreshold", 1), False: spec.get("failureThreshold", 3)}

    async def run(self, verdict: Callable[[bool], None]) -> None:
        await asyncio.sleep(self._delay_s)
        decided: bool | None = None
        last, times = None, 0
        while True:
            result = await self._request()
            times = times + 1 if result is last else 1
            last = result
            if times >= self._thresholds[result] and result is not decided:
                decided = result
                verdict(result)
            await asyncio.sleep(self._period_s)

    async def _request(self) -> bool:
        try:
            async with asyncio.timeout(self._timeout_s):
                return (await self._http.get(self._url)).status_code < 400
        except (httpx.TransportError, TimeoutError):
            return False
