"""One file per provider dialect: a pure adapter (request out, response in) and nothing else.

`ADAPTERS` finds them. An adapter builds bytes and parses bytes; connections, timers and retries are not its business.
"""
