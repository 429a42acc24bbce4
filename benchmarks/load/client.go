package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// filler is the text of a long prompt: common tokenizers take four bytes of English for a token.
const filler = "the next four words add text to it "

// client drives slots; each slot runs one stream after another. It ends after -streams in all, and with -window
// starts none after the window has closed.
type client struct {
	url, model, key string
	plan            Plan
	slots, streams  int
	padding         int
	ramp, think     time.Duration
	every           time.Duration
	warm, window    time.Duration
	timeout         time.Duration

	http    *http.Client
	started atomic.Int64
	tokens  atomic.Int64
	live    atomic.Int64
	peak    atomic.Int64
	closed  atomic.Bool // the window; no slot starts a stream after it
	mutex   sync.Mutex
	tally   tally
}

// load runs the client and prints JSON lines: the two edges of the window as they happen, then the result.
func load(args []string) error {
	c := client{}
	flags := flag.NewFlagSet("client", flag.ExitOnError)
	flags.StringVar(&c.url, "url", "", "chat completions endpoint")
	flags.StringVar(&c.model, "model", "bench", "model name to ask for")
	flags.StringVar(&c.key, "key", "sk-bench", "bearer token")
	flags.IntVar(&c.slots, "slots", 1, "streams at a time")
	flags.IntVar(&c.streams, "streams", 0, "streams in all; 0: one, or with -window as many as start until it closes")
	flags.IntVar(&c.plan.Tokens, "tokens", 8, "tokens per stream")
	flags.DurationVar(&c.plan.Pace, "pace", 0, "between tokens")
	flags.DurationVar(&c.plan.First, "first", 0, "provider's delay before the first token")
	flags.Uint64Var(&c.plan.Seed, "seed", 1, "seed of the first stream; the n-th has seed + n")
	flags.DurationVar(&c.ramp, "ramp", 0, "time over which the slots start, evenly")
	flags.DurationVar(&c.think, "think", 0, "a slot's pause between its streams")
	flags.DurationVar(&c.every, "every", 0, "from the start of a slot's stream to that of its next one, on an absolute schedule; 0: as soon as one has ended")
	flags.IntVar(&c.padding, "padding", 0, "bytes of text in each prompt ahead of the plan")
	flags.DurationVar(&c.warm, "warm", 0, "from the start to the opening of the window")
	flags.DurationVar(&c.window, "window", 0, "length of the window")
	flags.DurationVar(&c.timeout, "timeout", 5*time.Minute, "for one stream")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if c.streams == 0 && c.window == 0 {
		c.streams = 1
	}
	c.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: c.slots, DisableCompression: true}}
	c.tally.limit = 10 * c.plan.Pace
	emit := json.NewEncoder(os.Stdout)
	begin := time.Now()
	if c.window > 0 {
		go c.edges(emit, begin)
	}
	c.run()
	return emit.Encode(c.tally.result(c.peak.Load(), time.Since(begin)))
}

// edges prints each edge with the tokens received so far; whoever reads the line reads the CPU clock at that moment.
func (c *client) edges(emit *json.Encoder, begin time.Time) {
	mark := func(event string, at time.Duration) {
		time.Sleep(time.Until(begin.Add(at)))
		_ = emit.Encode(map[string]any{"event": event, "tokens": c.tokens.Load(), "at_s": time.Since(begin).Seconds()}) // stdout is a pipe we own
	}
	mark("open", c.warm)
	mark("close", c.warm+c.window)
	c.closed.Store(true)
}

func (c *client) run() {
	var slots sync.WaitGroup
	begin := time.Now()
	for slot := range c.slots {
		slots.Add(1)
		go func() {
			defer slots.Done()
			due := begin.Add(c.ramp * time.Duration(slot) / time.Duration(c.slots))
			time.Sleep(time.Until(due))
			c.slot(due)
		}()
	}
	slots.Wait()
}

// slot runs one stream after another, the first one due now. With -every the schedule is absolute, so that a slow peer gets no fewer requests
// than a fast one; a stream that is overdue when the one before it ends starts at once.
func (c *client) slot(due time.Time) {
	for !c.closed.Load() {
		number := c.started.Add(1) - 1
		if c.streams > 0 && number >= int64(c.streams) {
			return
		}
		plan := c.plan
		plan.Seed += uint64(number)
		live := c.live.Add(1)
		for peak := c.peak.Load(); live > peak && !c.peak.CompareAndSwap(peak, live); peak = c.peak.Load() {
		}
		check := &checker{plan: plan, arrivals: make([]time.Time, 0, plan.Tokens)}
		asked := time.Now()
		err := c.stream(check)
		c.live.Add(-1)
		c.mutex.Lock()
		c.tally.add(check, asked, err)
		c.mutex.Unlock()
		time.Sleep(c.think)
		due = due.Add(c.every)
		time.Sleep(time.Until(due))
	}
}

// stream runs one stream to its end. A *wrongError means that it lied, any other error that it did not finish.
func (c *client) stream(check *checker) error {
	prompt := strings.Repeat(filler, c.padding/len(filler)) + check.plan.String()
	body, err := json.Marshal(map[string]any{
		"model": c.model, "stream": true, "messages": []any{map[string]string{"role": "user", "content": prompt}}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "text/event-stream")
	request.Header.Set("Authorization", "Bearer "+c.key)
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 300)) // it is only for the message
		return fmt.Errorf("status %d: %s", response.StatusCode, text)
	}
	return c.read(response.Body, check)
}

// read feeds the body's events to the checker; every event here is one data line, as on all OpenAI wires.
func (c *client) read(body io.Reader, check *checker) error {
	lines := bufio.NewReaderSize(body, 16<<10)
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			return check.end()
		}
		if err != nil {
			return fmt.Errorf("after %d tokens: %w", len(check.arrivals), err)
		}
		payload, isData := bytes.CutPrefix(bytes.TrimRight(line, "\r\n"), []byte("data:"))
		if !isData {
			continue
		}
		token, err := check.data(bytes.TrimPrefix(payload, []byte(" ")), time.Now())
		if err != nil {
			return err
		}
		if token {
			c.tokens.Add(1)
		}
	}
}
