"""`penstock backup` and `penstock restore`: what only the broker has, as a folder.

The programs log in with `admin.creds`, which the chart keeps in a Secret of its own that no pod mounts.
"""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import structlog

from penstock_broker.connection import Connection
from penstock_broker.jetstream import JetStreamRefusal
from penstock_broker.stores import backups
from penstock_broker.stores.backups import RecordCount, StreamInUse
from penstock_contract import subjects
from penstock_contract.errors import PenstockError
from penstock_runtime.parsers import with_examples

CONNECT_S: Final = 10.0
Work = Callable[[Connection, str], Awaitable[RecordCount]]


def backup() -> None:
    args = backup_parser().parse_args()
    if args.directory.exists() and any(args.directory.iterdir()):
        sys.exit(f"penstock backup: {args.directory} is not empty: name a new folder")
    _run("penstock backup", args, lambda connection, stream: backups.save(connection, stream, args.directory / stream))


def restore() -> None:
    args = restore_parser().parse_args()
    if missing := [name for name in backups.SAVED if not (args.directory / name / backups.DESCRIPTION).is_file()]:
        sys.exit(f"penstock restore: {args.directory} has no complete backup of {', '.join(missing)}")

    async def one(connection: Connection, stream: str) -> RecordCount:
        folder = args.directory / stream
        return await backups.restore(connection, stream, folder, replicas=args.replicas, replace=args.replace)

    _run("penstock restore", args, one)


def backup_parser() -> argparse.ArgumentParser:
    made = _parser("penstock backup", "Save API keys, limits and usage records of a broker into a folder.")
    return with_examples(
        made,
        "penstock backup saved",
        "penstock backup saved --nats-url nats://127.0.0.1:4222 --credentials admin.creds",
    )


def restore_parser() -> argparse.ArgumentParser:
    made = _parser("penstock restore", "Restore what `penstock backup` has saved, into a broker without readers.")
    made.add_argument("--replicas", type=int, choices=range(1, 6), help="copies of each stream; default: as saved")
    made.add_argument("--replace", action="store_true", help="discard the records that the broker has")
    return with_examples(made, "penstock restore saved", "penstock restore saved --replicas 3 --replace")


def _parser(program: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("directory", type=Path, metavar="DIRECTORY", help="folder with a folder for each stream")
    url = os.environ.get("PENSTOCK_NATS_URL", "nats://127.0.0.1:4222")
    parser.add_argument(
        "--nats-url", default=url, help="address of the broker; PENSTOCK_NATS_URL (default: %(default)s)"
    )
    file = os.environ.get("PENSTOCK_NATS_CREDENTIALS")
    parser.add_argument(
        "--credentials", default=file, help="file admin.creds; PENSTOCK_NATS_CREDENTIALS (default: none)"
    )
    return parser


def _run(program: str, args: argparse.Namespace, work: Work) -> None:
    # Errors only, and not between the lines of the result.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        asyncio.run(_each(args.nats_url, args.credentials, work))
    except JetStreamRefusal as refusal:
        sys.exit(f"{program}: the broker refuses: {refusal.description}")
    except (StreamInUse, PenstockError, OSError) as error:
        sys.exit(f"{program}: {error}")


async def _each(url: str, credentials: str | None, work: Work) -> None:
    connection = Connection(url, "admin", inbox_prefix=subjects.ADMIN_INBOX, credentials=credentials)
    try:
        try:
            async with asyncio.timeout(CONNECT_S):
                await connection.start()
        except TimeoutError:
            raise OSError(f"no connection to {url} within {CONNECT_S:.0f} s") from None
        for stream in backups.SAVED:
            state = await work(connection, stream)
            print(f"{stream}: {state.messages} records")  # noqa: T201
    finally:
        await connection.close()
