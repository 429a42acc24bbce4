"""A chat completion with the first key as raw bytes: with any headers, with a length or chunked."""

import json

from harness.keyed import FIRST_KEY
from harness.route_spec import completion

KEY = f"authorization: Bearer {FIRST_KEY}\r\n".encode()
BODY = json.dumps(completion()).encode()
STREAM = json.dumps(completion(stream=True)).encode()


def post(body: bytes = BODY, headers: bytes = b"host: localhost\r\n", version: bytes = b"1.1") -> bytes:
    head = b"POST /v1/chat/completions HTTP/" + version + b"\r\ncontent-type: application/json\r\n" + headers + KEY
    return head + b"content-length: %d\r\n\r\n" % len(body) + body


def chunked(coding: bytes, version: bytes = b"1.1") -> bytes:
    head = b"POST /v1/chat/completions HTTP/" + version + b"\r\nhost: localhost\r\n" + KEY
    return head + b"transfer-encoding: " + coding + b"\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)


HOST = b"host: localhost\r\n"
