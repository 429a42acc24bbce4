"""Request ids are ours: a client's own could forge a log line or name another's request."""

import secrets


def new_request_id() -> str:
    return f"req_{secrets.token_hex(12)}"
