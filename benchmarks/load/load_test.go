package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

func event(delta, finish string) string {
	return fmt.Sprintf("data: {\"id\":\"a\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":%s,\"finish_reason\":%s}]}\n\n", delta, finish)
}

func says(plan Plan, index int) string {
	text, _ := json.Marshal(map[string]string{"content": plan.Token(index)})
	return event(string(text), "null")
}

func TestACheckedStreamIsWholeOrNamed(t *testing.T) {
	plan := Plan{Tokens: 3, Seed: 7}
	role, stop, done := event(`{"role":"assistant","content":""}`, "null"), event("{}", `"stop"`), "data: [DONE]\n\n"
	zero, one, two := says(plan, 0), says(plan, 1), says(plan, 2)
	merged, _ := json.Marshal(map[string]string{"content": plan.Token(0) + plan.Token(1)})
	for name, given := range map[string]struct{ body, reason string }{
		"whole":                {role + zero + one + ": ping\n\n" + two + stop + done, ""},
		"whole with CRLF":      {strings.ReplaceAll(role+zero+one+two+stop+done, "\n", "\r\n"), ""},
		"a lost token":         {zero + two + stop + done, "wrong stream: token 1"},
		"swapped tokens":       {zero + two + one + stop + done, "wrong stream: token 1"},
		"a repeated token":     {zero + zero + one + two + stop + done, "wrong stream: token 1"},
		"one token too many":   {zero + one + two + says(plan, 3) + stop + done, "wrong stream: more than 3"},
		"merged tokens":        {event(string(merged), "null") + two + stop + done, "wrong stream: token 0"},
		"another's stream":     {says(Plan{Tokens: 3, Seed: 8}, 0), "wrong stream: token 0"},
		"finish too early":     {zero + one + stop + done, "wrong stream: finish_reason"},
		"another finish":       {zero + one + two + event("{}", `"length"`) + done, "wrong stream: finish_reason"},
		"two finishes":         {zero + one + two + stop + stop + done, "wrong stream: a second"},
		"no finish":            {zero + one + two + done, "wrong stream: [DONE] without"},
		"no end":               {zero + one + two + stop, "wrong stream: clean end"},
		"a token after [DONE]": {zero + one + two + stop + done + two, "wrong stream: event after"},
		"another id":           {zero + strings.Replace(one, `"id":"a"`, `"id":"b"`, 1), "wrong stream: id changed"},
		"broken JSON":          {zero + "data: {\n\n", "wrong stream: not JSON"},
		"an error event":       {zero + "data: {\"error\":{\"message\":\"gone\"}}\n\n", "error event after 1 tokens"},
	} {
		t.Run(name, func(t *testing.T) {
			err := (&client{}).read(strings.NewReader(given.body), &checker{plan: plan})
			if given.reason == "" && err != nil || given.reason != "" && (err == nil || !strings.HasPrefix(err.Error(), given.reason)) {
				t.Errorf("got %v, not %q", err, given.reason)
			}
		})
	}
}

func TestAnAbortedConnectionIsIncompleteNotWrong(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, says(Plan{Tokens: 3, Seed: 1}, 0))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	c := client{url: server.URL, http: server.Client(), timeout: time.Minute}
	err := c.stream(&checker{plan: Plan{Tokens: 3, Seed: 1}})
	if lied := (*wrongError)(nil); err == nil || errors.As(err, &lied) {
		t.Errorf("got %v", err)
	}
}

func TestTheClientAcceptsWhatTheProviderSends(t *testing.T) {
	server := httptest.NewServer(newProvider())
	defer server.Close()
	c := client{url: server.URL + "/v1/chat/completions", http: server.Client(), timeout: time.Minute,
		plan: Plan{Tokens: 40, Pace: time.Millisecond, Seed: 1}, slots: 8, streams: 24}
	c.tally.limit = time.Minute
	c.run()
	got := c.tally.result(c.peak.Load(), 0)
	if got.OK != 24 || got.Tokens != 24*40 || got.First.Count != 24 || got.Gap.Count != 24*40 || got.PeakLive != 8 {
		t.Errorf("%+v", got)
	}
}

func TestAScheduleStartsStreamsAtItsRateAndNotAtThePeersSpeed(t *testing.T) {
	var arrivals []time.Time
	var mutex sync.Mutex
	provider := newProvider()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mutex.Lock()
		arrivals = append(arrivals, time.Now())
		mutex.Unlock()
		provider.ServeHTTP(w, r)
	}))
	defer server.Close()
	begin := time.Now()
	c := client{url: server.URL + "/v1/chat/completions", http: server.Client(), timeout: time.Minute,
		plan: Plan{Tokens: 2, Seed: 1}, slots: 2, streams: 6, ramp: 40 * time.Millisecond, every: 40 * time.Millisecond}
	c.run()
	for index, at := range arrivals { // slots are 20 ms apart, and no stream starts ahead of its time
		if early := begin.Add(time.Duration(index) * 20 * time.Millisecond).Sub(at); early > 0 {
			t.Errorf("stream %d started %v early", index, early)
		}
	}
	if got := c.tally.result(0, 0); got.OK != 6 {
		t.Errorf("%+v", got)
	}
}

func TestPaddingIsPartOfThePromptAndThePlanIsStillRead(t *testing.T) {
	lengths := make(chan int64, 1)
	provider := newProvider()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lengths <- r.ContentLength
		provider.ServeHTTP(w, r)
	}))
	defer server.Close()
	c := client{url: server.URL + "/v1/chat/completions", http: server.Client(), timeout: time.Minute, padding: 400_000}
	if err := c.stream(&checker{plan: Plan{Tokens: 3, Seed: 5}}); err != nil {
		t.Error(err)
	}
	if length := <-lengths; length < 399_000 || length > 401_000 {
		t.Errorf("a request of %d bytes", length)
	}
}

func TestUsageIsSentOnlyWhenAskedFor(t *testing.T) {
	server := httptest.NewServer(newProvider())
	defer server.Close()
	for options, chunks := range map[string]int{"": 0, `,"stream_options":{"include_usage":true}`: 1} {
		body := `{"model":"bench","stream":true,"messages":[{"role":"user","content":[{"type":"text","text":"tokens=5"}]}]` + options + `}`
		response, err := http.Post(server.URL+"/v1/chat/completions", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if count := strings.Count(string(text), `"completion_tokens":5`); count != chunks {
			t.Errorf("%d usage chunks, not %d, for %q", count, chunks, options)
		}
	}
}

func TestARequestWithoutStreamIsAnsweredWhole(t *testing.T) {
	server := httptest.NewServer(newProvider())
	defer server.Close()
	body := `{"model":"bench","messages":[{"role":"user","content":"tokens=5 seed=9"}]}`
	response, err := http.Post(server.URL+"/v1/chat/completions", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var got struct {
		Choices []struct {
			Message struct {
				Content string `json:"content"`
			} `json:"message"`
		} `json:"choices"`
		Usage map[string]int `json:"usage"`
	}
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Choices[0].Message.Content != (Plan{Tokens: 5, Seed: 9}).Text() || got.Usage["completion_tokens"] != 5 {
		t.Errorf("%+v", got)
	}
}

func TestPercentilesAreMeasuredValues(t *testing.T) {
	got := distribute([]float64{4, 1, 3, 2})
	if got != (distribution{Count: 4, P50: 2, P99: 4, Max: 4}) {
		t.Errorf("%+v", got)
	}
}

func TestTheCollectorCountsTheBytesOfEachSignal(t *testing.T) {
	server := httptest.NewServer(newCollector())
	defer server.Close()
	for _, posted := range []struct{ path, body string }{{"/v1/traces", "abc"}, {"/v1/metrics", "de"}, {"/v1/traces", "fg"}} {
		response, err := http.Post(server.URL+posted.path, "application/x-protobuf", strings.NewReader(posted.body))
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatal(response, err)
		}
		response.Body.Close()
	}
	response, err := http.Get(server.URL + "/received")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	received := map[string]int{}
	if err := json.NewDecoder(response.Body).Decode(&received); err != nil || received["traces"] != 5 || received["metrics"] != 2 {
		t.Fatal(received, err)
	}
}
