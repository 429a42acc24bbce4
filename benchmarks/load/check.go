package main

import (
	"encoding/json"
	"fmt"
	"time"
)

// wrongError is a stream that claims to be whole and is not: the one thing a gateway must never produce. It fails the run.
type wrongError struct{ reason string }

func (e *wrongError) Error() string { return "wrong stream: " + e.reason }

func wrong(format string, args ...any) error { return &wrongError{fmt.Sprintf(format, args...)} }

// checker holds one stream to its plan: one token per chunk, each the right one, in order, one finish, one [DONE], nothing after it.
type checker struct {
	plan     Plan
	arrivals []time.Time // of every token; never leaves memory
	ended    time.Time   // of [DONE]
	id       string
	finish   string
}

// chunk is the part of a chat completion chunk that the checker looks at.
type chunk struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Choices []struct {
		Index int `json:"index"`
		Delta struct {
			Content *string `json:"content"`
		} `json:"delta"`
		FinishReason *string `json:"finish_reason"`
	} `json:"choices"`
	Error json.RawMessage `json:"error"`
}

// data takes the payload of one SSE event and says whether it carried a token.
func (c *checker) data(payload []byte, now time.Time) (bool, error) {
	if !c.ended.IsZero() {
		return false, wrong("event after [DONE]: %.80q", payload)
	}
	if string(payload) == "[DONE]" {
		if c.finish == "" {
			return false, wrong("[DONE] without a finish_reason after %d tokens", len(c.arrivals))
		}
		c.ended = now
		return false, nil
	}
	var got chunk
	if err := json.Unmarshal(payload, &got); err != nil {
		return false, wrong("not JSON: %v: %.80q", err, payload)
	}
	if len(got.Error) > 0 {
		return false, fmt.Errorf("error event after %d tokens: %.200s", len(c.arrivals), got.Error)
	}
	if got.Object != "chat.completion.chunk" {
		return false, wrong("object is %q", got.Object)
	}
	if c.id == "" {
		c.id = got.ID
	}
	if got.ID == "" || got.ID != c.id {
		return false, wrong("id changed from %q to %q", c.id, got.ID)
	}
	if len(got.Choices) == 0 { // the usage chunk
		return false, nil
	}
	return c.choice(got, now)
}

func (c *checker) choice(got chunk, now time.Time) (bool, error) {
	if len(got.Choices) != 1 || got.Choices[0].Index != 0 {
		return false, wrong("not exactly choice 0")
	}
	choice, isToken := got.Choices[0], false
	if text := choice.Delta.Content; text != nil && *text != "" {
		index := len(c.arrivals)
		if c.finish != "" {
			return false, wrong("token %d after the finish: %q", index, *text)
		}
		if index >= c.plan.Tokens {
			return false, wrong("more than %d tokens: %q", c.plan.Tokens, *text)
		}
		if want := c.plan.Token(index); *text != want {
			return false, wrong("token %d is %q, not %q", index, *text, want)
		}
		c.arrivals = append(c.arrivals, now)
		isToken = true
	}
	if finish := choice.FinishReason; finish != nil && *finish != "" {
		if c.finish != "" {
			return false, wrong("a second finish_reason: %q", *finish)
		}
		if *finish != "stop" || len(c.arrivals) != c.plan.Tokens {
			return false, wrong("finish_reason %q after %d of %d tokens", *finish, len(c.arrivals), c.plan.Tokens)
		}
		c.finish = *finish
	}
	return isToken, nil
}

// end is called when the body has ended cleanly: a clean end without [DONE] is silent truncation, which SDKs take for success.
func (c *checker) end() error {
	if c.ended.IsZero() {
		return wrong("clean end of the body after %d of %d tokens, without [DONE]", len(c.arrivals), c.plan.Tokens)
	}
	return nil
}
