"""No text of a client becomes a subject token."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_contract import subjects

BAD_TOKENS = ["", ".", "*", ">", "a.b", "a b", "a\n", "\n", "a\r\nPUB x 1", "a\x00", "ä", "²", "a" * 64, "a*", "$JS"]

BUILDERS: dict[str, tuple[Callable[..., str], int, str]] = {
    "request": (subjects.request, 3, "penstock.requests.a.a.a"),
    "request_filter": (subjects.request_filter, 2, "penstock.requests.a.a.*"),
    "queue": (subjects.queue, 2, "REQUESTS_a_a"),
    "reply": (subjects.reply, 3, "penstock.replies.a.a.a"),
    "reply_filter": (subjects.reply_filter, 1, "penstock.replies.a.>"),
    "control": (subjects.control, 3, "penstock.control.a.a.a"),
    "control_all": (subjects.control_all, 2, "penstock.control.a.a"),
    "gateway_report": (subjects.gateway_report, 1, "penstock.reports.a"),
    "find_stream": (subjects.find_stream, 1, "penstock.find.a"),
    "stream_descriptor": (subjects.stream_descriptor, 2, "penstock.streams.a.a"),
    "stream_input": (subjects.stream_input, 2, "penstock.inputs.a.a"),
    "tenant_stream_inputs": (subjects.tenant_stream_inputs, 1, "penstock.inputs.a.*"),
    "kept_frames": (subjects.kept_frames, 4, "penstock.frames.a.a.a.a"),
    "route_kept_frames": (subjects.route_kept_frames, 2, "penstock.frames.a.a.*.*"),
    "tenant_kept_frames": (subjects.tenant_kept_frames, 1, "penstock.frames.*.*.a.*"),
    "worker_heartbeat": (subjects.worker_heartbeat, 3, "penstock.workers.a.a.a"),
    "activation": (subjects.activation, 2, "penstock.activations.a.a"),
    "gateway_heartbeat": (subjects.gateway_heartbeat, 1, "penstock.gateways.a"),
    "catalogue_key": (subjects.catalogue_key, 2, "a.a"),
    "usage": (subjects.usage, 4, "penstock.usage.a.a.a.a"),
    "usage_filter": (subjects.usage_filter, 1, "penstock.usage.*.*.a.*"),
    "checkpoint": (subjects.checkpoint, 3, "penstock.checkpoints.a.a.a"),
    "route_replies": (subjects.route_replies, 2, "penstock.replies.*.a.a"),
    "route_controls": (subjects.route_controls, 2, "penstock.control.a.a.*"),
    "route_heartbeats": (subjects.route_heartbeats, 2, "penstock.workers.a.a.*"),
    "route_usage": (subjects.route_usage, 2, "penstock.usage.a.a.*.*"),
    "route_checkpoints": (subjects.route_checkpoints, 2, "penstock.checkpoints.a.a.*"),
    "worker_inbox": (subjects.worker_inbox, 2, "_INBOX_worker.a.a"),
    "bucket_stream": (subjects.bucket_stream, 1, "KV_a"),
    "bucket_entries": (subjects.bucket_entries, 1, "$KV.a.>"),
    "key_account": (subjects.key_account, 1, "key.a"),
    "route_account": (subjects.route_account, 2, "route.a.a"),
}


def test_subjects_builders_are_all_tested_here() -> None:
    built = {name for name, value in vars(subjects).items() if inspect.isfunction(value) and not name.startswith("_")}

    assert built - {"reply_route", "route_key"} == set(BUILDERS)


@pytest.mark.parametrize(("build", "arguments", "subject"), BUILDERS.values(), ids=BUILDERS)
def test_subjects_join_their_tokens(build: Callable[..., str], arguments: int, subject: str) -> None:
    assert build(*["a"] * arguments) == subject


@pytest.mark.parametrize("bad", BAD_TOKENS, ids=repr)
@pytest.mark.parametrize(("build", "arguments", "_subject"), BUILDERS.values(), ids=BUILDERS)
def test_subjects_reject_an_invalid_token_in_every_place(
    build: Callable[..., str], arguments: int, _subject: str, bad: str
) -> None:
    for place in range(arguments):
        tokens = ["a"] * arguments
        tokens[place] = bad
        with pytest.raises(ValueError, match="not a subject token"):
            build(*tokens)


@given(st.lists(st.text(max_size=8), min_size=3, max_size=3))
def test_subjects_keep_their_shape_for_any_input(tokens: list[str]) -> None:
    try:
        subject = subjects.request(*tokens)
    except ValueError:
        return

    assert subject.split(".") == ["penstock", "requests", *tokens]
    assert not set(subject) & set("*> \t\r\n")


@pytest.mark.parametrize("route", [("default", "main"), ("team-a", "gpt-4o")])
def test_subjects_give_the_route_of_a_reply_back(route: tuple[str, str]) -> None:
    assert subjects.reply_route(subjects.reply("gw-1", *route)) == ".".join(route)


def test_subjects_of_two_routes_never_share_a_queue() -> None:
    assert subjects.queue("a", "b-c") != subjects.queue("a-b", "c")


def tokens_of(filter_: Any) -> list[str]:
    return str(filter_).split(".")


def test_subjects_filter_of_a_route_matches_its_requests_only() -> None:
    wanted = tokens_of(subjects.request_filter("default", "main"))[:-1]

    assert tokens_of(subjects.request("default", "main", "anonymous"))[:-1] == wanted
    assert tokens_of(subjects.request("default", "other", "anonymous"))[:-1] != wanted


def test_subjects_of_heartbeats_and_activations_give_the_route_back() -> None:
    assert subjects.route_key(subjects.worker_heartbeat("ns", "route", "worker")) == "ns.route"
    assert subjects.route_key(subjects.activation("ns", "route")) == "ns.route"
