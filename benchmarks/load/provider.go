package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// maxBody bounds a request's body in bytes.
const maxBody = 1 << 20

// provider answers OpenAI chat completions with the plan found in the prompt.
type provider struct {
	worstLate atomic.Int64 // ns a wake-up came after its token was due: the provider's own share of a gap
}

// provide listens, prints its address as one line on stdout and serves until it is killed.
func provide(args []string) error {
	flags := flag.NewFlagSet("provider", flag.ExitOnError)
	address := flags.String("addr", "127.0.0.1:0", "address to listen on")
	if err := flags.Parse(args); err != nil {
		return err
	}
	return serve(*address, newProvider())
}

func newProvider() http.Handler {
	p := &provider{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chat/completions", p.chat)
	mux.HandleFunc("GET /v1/models", p.models)
	mux.HandleFunc("POST /lateness", p.lateness)
	return mux
}

func (p *provider) models(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{
		"object": "list",
		"data":   []any{map[string]any{"id": "bench", "object": "model", "created": 1700000000, "owned_by": "penstock"}},
	})
}

// lateness answers the worst lateness since it was last asked.
func (p *provider) lateness(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]float64{"worst_ms": float64(p.worstLate.Swap(0)) / 1e6})
}

func (p *provider) chat(w http.ResponseWriter, r *http.Request) {
	arrived := time.Now()
	asked, err := readRequest(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": map[string]any{
			"message": err.Error(), "type": "invalid_request_error", "param": nil, "code": nil}})
		return
	}
	if asked.stream {
		p.stream(r.Context(), w, asked, arrived)
		return
	}
	if p.sleepUntil(r.Context(), arrived.Add(asked.plan.First)) != nil {
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"id": asked.id(), "object": "chat.completion", "created": arrived.Unix(), "model": asked.model, "usage": asked.usage(),
		"choices": []any{map[string]any{"index": 0, "logprobs": nil, "finish_reason": "stop",
			"message": map[string]any{"role": "assistant", "content": asked.plan.Text(), "refusal": nil}}},
	})
}

// stream sends token i at arrival + first + i × pace: the schedule is absolute, so a late token does not delay those after it.
// The role goes out alone, ahead of the first token, as OpenAI does it: two small writes in a row, which is what shows a peer with Nagle on.
func (p *provider) stream(ctx context.Context, w http.ResponseWriter, asked request, arrived time.Time) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	wire := newWire(w, asked, arrived.Unix())
	if wire.delta(map[string]any{"role": "assistant", "content": "", "refusal": nil}, "null") != nil {
		return
	}
	due := arrived.Add(asked.plan.First)
	for index := range asked.plan.Tokens {
		if p.sleepUntil(ctx, due) != nil || wire.content(asked.plan.Token(index)) != nil {
			return
		}
		due = due.Add(asked.plan.Pace)
	}
	_ = wire.end() // a reader that left is the reader's affair
}

// sleepUntil waits for due and keeps the worst lateness; a token that is already overdue was held up by the peer, not by us.
func (p *provider) sleepUntil(ctx context.Context, due time.Time) error {
	wait := time.Until(due)
	if wait <= 0 {
		return ctx.Err()
	}
	time.Sleep(wait)
	late := int64(time.Since(due))
	for worst := p.worstLate.Load(); late > worst && !p.worstLate.CompareAndSwap(worst, late); worst = p.worstLate.Load() {
	}
	return ctx.Err()
}

// request is the part of a chat completion request that the provider looks at.
type request struct {
	model        string
	stream       bool
	includeUsage bool
	plan         Plan
	promptLength int
}

func readRequest(body io.Reader) (request, error) {
	var wire struct {
		Model         string `json:"model"`
		Stream        bool   `json:"stream"`
		StreamOptions struct {
			IncludeUsage bool `json:"include_usage"`
		} `json:"stream_options"`
		Messages []struct {
			Role    string          `json:"role"`
			Content json.RawMessage `json:"content"`
		} `json:"messages"`
	}
	if err := json.NewDecoder(body).Decode(&wire); err != nil {
		return request{}, err
	}
	if len(wire.Messages) == 0 {
		return request{}, errors.New("messages: at least one is needed")
	}
	prompt := messageText(wire.Messages[len(wire.Messages)-1].Content)
	plan, err := ParsePlan(prompt)
	return request{wire.Model, wire.Stream, wire.StreamOptions.IncludeUsage, plan, len(prompt)}, err
}

// messageText reads content as a string or as a list of text parts: some peers rewrite one into the other.
func messageText(content json.RawMessage) string {
	var text string
	if json.Unmarshal(content, &text) == nil {
		return text
	}
	var parts []struct {
		Text string `json:"text"`
	}
	if json.Unmarshal(content, &parts) == nil {
		for _, part := range parts {
			text += part.Text
		}
	}
	return text
}

func (r request) id() string { return fmt.Sprintf("chatcmpl-%016x", r.plan.Seed) }

func (r request) usage() map[string]int {
	return map[string]int{
		"prompt_tokens": r.promptLength, "completion_tokens": r.plan.Tokens, "total_tokens": r.promptLength + r.plan.Tokens}
}

// wire writes chunks; what all chunks of a stream share is rendered once.
type wire struct {
	w      http.ResponseWriter
	flush  func() error
	asked  request
	head   string // up to the delta
	usage  string // the key every chunk carries when usage was asked for
	buffer []byte
}

func newWire(w http.ResponseWriter, asked request, created int64) *wire {
	model, _ := json.Marshal(asked.model) // a string always marshals
	head := fmt.Sprintf(`{"id":%q,"object":"chat.completion.chunk","created":%d,"model":%s,"service_tier":"default",`+
		`"system_fingerprint":"fp_9e3779b97f","choices":[`, asked.id(), created, model)
	usage := ""
	if asked.includeUsage {
		usage = `,"usage":null`
	}
	return &wire{w: w, flush: http.NewResponseController(w).Flush, asked: asked, head: head, usage: usage}
}

func (s *wire) content(token string) error {
	return s.delta(map[string]string{"content": token}, "null")
}

func (s *wire) delta(delta any, finish string) error {
	text, err := json.Marshal(delta)
	if err != nil {
		return err
	}
	s.buffer = fmt.Appendf(s.buffer[:0], "data: %s{\"index\":0,\"delta\":%s,\"logprobs\":null,\"finish_reason\":%s}]%s}\n\n", s.head, text, finish, s.usage)
	return s.send()
}

func (s *wire) end() error {
	if err := s.delta(struct{}{}, `"stop"`); err != nil {
		return err
	}
	s.buffer = s.buffer[:0]
	if s.asked.includeUsage {
		usage, _ := json.Marshal(s.asked.usage()) // a map of ints always marshals
		s.buffer = fmt.Appendf(s.buffer, "data: %s],\"usage\":%s}\n\n", s.head, usage)
	}
	s.buffer = append(s.buffer, "data: [DONE]\n\n"...)
	return s.send()
}

func (s *wire) send() error {
	if _, err := s.w.Write(s.buffer); err != nil {
		return err
	}
	return s.flush()
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // a reader that left is the reader's affair
}
