"""One folder per provider dialect, with a pure adapter: it builds requests and parses answers.

Connections and retries are outside: `upstream.provider_factory.ADAPTERS` lists the adapters. `simulated` needs timers.
"""
