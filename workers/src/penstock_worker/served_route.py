"""The route of this worker as the catalogue has it: its spec, its providers, and their state."""

from collections.abc import Mapping

import structlog

from penstock_contract import subjects
from penstock_contract.catalogue import CatalogueEntry
from penstock_runtime.clock import Clock
from penstock_worker.providers.target import Target
from penstock_worker.sessions.calls.circuit_breaker import CircuitBreaker
from penstock_worker.sessions.context import RouteVersion
from penstock_worker.settings import WorkerSettings
from penstock_worker.upstream import provider_factory
from penstock_worker.upstream.provider_credentials import ProviderCredentials
from penstock_worker.upstream.provider_key import ProviderKeys

log = structlog.get_logger("penstock.worker")


class ServedRoute:
    """`version` is None while the route is not in the catalogue."""

    def __init__(self, settings: WorkerSettings, environ: Mapping[str, str], clock: Clock) -> None:
        self.name = (settings.namespace, settings.route)
        self.catalogue_key = subjects.catalogue_key(*self.name)
        self.version: RouteVersion | None = None
        self._environ = environ
        self._address_rules = settings.address_rules
        self._entry: CatalogueEntry | None = None
        self._targets: list[Target] = []
        self._breaker = CircuitBreaker()
        self._keys = ProviderKeys(settings.keys_dir, environ, clock.monotonic)
        self._refused_key: dict[str, int] = {}
        """Per provider, the number of the key that it refused."""

    def update(self, entry: CatalogueEntry | None) -> bool:
        """Take the catalogue's entry. Returns False if nothing changed."""
        if self._entry is not None and entry == self._entry:
            return False
        previous, self._entry = self._entry, entry
        if entry is None or previous is None or entry.spec.providers != previous.spec.providers:
            self._replace_providers(entry)
        self.version = RouteVersion(entry.spec, self._targets, self._breaker) if entry is not None else None
        log.info("worker.route_changed", route=self.catalogue_key, present=entry is not None)
        return True

    def refusing_keys(self) -> list[str]:
        """Names of the providers that refuse the worker's key."""
        return self._breaker.refusing_keys()

    def failing(self) -> list[str]:
        """Names of the providers of which every call has failed lately."""
        return self._breaker.failing()

    def recheck_refused_keys(self) -> None:
        """Reset the state of each provider whose refused key has changed, so that it is tried as before."""
        refusing = self._breaker.refusing_keys()
        for target in self._targets:
            name = target.spec.name
            credentials: ProviderCredentials | None = getattr(target.provider, "credentials", None)
            if name not in refusing or credentials is None:
                self._refused_key.pop(name, None)
                continue
            credentials.check()
            if self._refused_key.setdefault(name, credentials.number) != credentials.number:
                log.info("worker.key_changed", provider=name)
                self._breaker.reset(target.spec)
                del self._refused_key[name]

    def _replace_providers(self, entry: CatalogueEntry | None) -> None:
        # Open sessions keep the providers that they began with; those close their connections afterwards.
        for target in self._targets:
            target.provider.close()
        self._targets = []
        if entry is not None:
            self._targets = provider_factory.build(entry.spec, self._environ, self._address_rules, self._keys)
        self._breaker = CircuitBreaker()
        self._refused_key.clear()
