"""The grammar of a stream, checked against an equivalent regular expression."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_contract.errors import ErrorDetail
from penstock_contract.stream.events import (
    Accepted,
    Embedded,
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from penstock_contract.stream.state import IllegalEvent, SequenceGap, StreamState

EVENTS: dict[str, Event] = {
    "A": Accepted("worker", 0.1),
    "S": Started("main"),
    "T": TextDelta("text"),
    "R": ReasoningDelta("hm"),
    "N": RefusalDelta("no"),
    "C": ToolCallDelta(0, "call", "name", "{}"),
    "V": Embedded(0, b"0000"),
    "U": UsageReported(1, 1),
    "D": Finished("stop"),
    "F": Failed(ErrorDetail("internal_error", "no")),
}
STREAM = re.compile("F|A(F|S[TRNCV]*U?[DF])")
WORDS = st.text(st.sampled_from("".join(EVENTS)), max_size=8)
STREAMS = st.from_regex(STREAM, fullmatch=True)


def legal(word: str) -> bool:
    """True if `word` begins a stream. As every open stream may fail, an `F` completes a legal beginning."""
    return not word or bool(STREAM.fullmatch(word) or STREAM.fullmatch(word + "F"))


def state_after(word: str) -> StreamState:
    state = StreamState()
    for seq, letter in enumerate(word):
        assert state.accept(seq, EVENTS[letter])
    return state


def snapshot(state: StreamState) -> tuple[object, int, bool]:
    return state.phase, state.next_seq, state.ended


@given(STREAMS)
def test_stream_state_accepts_every_legal_stream_and_ends_at_its_last_event(word: str) -> None:
    state = StreamState()
    ended = []
    for seq, letter in enumerate(word):
        assert state.accept(seq, EVENTS[letter])
        ended.append(state.ended)

    assert ended == [False] * (len(word) - 1) + [True]


@given(WORDS)
def test_stream_state_accepts_exactly_the_events_of_the_model(word: str) -> None:
    state = StreamState()
    accepted = ""
    for letter in word:
        if legal(accepted + letter):
            assert state.accept(len(accepted), EVENTS[letter])
            accepted += letter
        else:
            with pytest.raises(IllegalEvent):
                state.accept(len(accepted), EVENTS[letter])
        assert state.next_seq == len(accepted)


@given(STREAMS, st.data())
def test_stream_state_raises_for_a_gap_and_is_unchanged(word: str, data: st.DataObject) -> None:
    begun = word[: data.draw(st.integers(0, len(word)))]
    state = state_after(begun)
    before = snapshot(state)
    seq = data.draw(st.integers(len(begun) + 1, 2**40))

    with pytest.raises(SequenceGap) as gap:
        state.accept(seq, EVENTS[data.draw(st.sampled_from(sorted(EVENTS)))])

    assert (gap.value.expected, gap.value.got) == (len(begun), seq)
    assert snapshot(state) == before


@given(STREAMS, st.data())
def test_stream_state_ignores_any_repeat(word: str, data: st.DataObject) -> None:
    begun = word[: data.draw(st.integers(1, len(word)))]
    state = state_after(begun)
    before = snapshot(state)

    is_new = state.accept(data.draw(st.integers(0, len(begun) - 1)), EVENTS[data.draw(st.sampled_from(sorted(EVENTS)))])

    assert not is_new
    assert snapshot(state) == before


@given(STREAMS, st.sampled_from(sorted(EVENTS)))
def test_stream_state_accepts_nothing_after_the_end(word: str, letter: str) -> None:
    state = state_after(word)

    with pytest.raises(IllegalEvent):
        state.accept(len(word), EVENTS[letter])

    assert state.ended


@given(STREAMS, st.data())
def test_stream_state_is_unchanged_by_an_illegal_event(word: str, data: st.DataObject) -> None:
    begun = word[: data.draw(st.integers(0, len(word)))]
    state = state_after(begun)
    before = snapshot(state)
    illegal = [letter for letter in EVENTS if not legal(begun + letter)]

    with pytest.raises(IllegalEvent):
        state.accept(len(begun), EVENTS[data.draw(st.sampled_from(illegal))])

    assert snapshot(state) == before


@given(STREAMS, st.randoms(use_true_random=False))
def test_stream_state_accepts_a_replay_in_any_order_of_repeats(word: str, random: object) -> None:
    state = StreamState()
    word_again = ""
    frames = list(enumerate(word))
    for seq, _letter in frames:
        replayed = frames[random.randint(0, seq) : seq + 1]  # type: ignore[attr-defined]
        word_again += "".join(again for number, again in replayed if state.accept(number, EVENTS[again]))

    assert word_again == word
