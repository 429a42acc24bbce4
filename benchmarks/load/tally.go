package main

import (
	"errors"
	"math"
	"slices"
	"time"
)

// maxErrors bounds the error texts that a result carries.
const maxErrors = 5

// tally gathers what the streams of one run measured.
type tally struct {
	limit                          time.Duration // a longer gap is counted
	streams, ok, wrong, incomplete int
	tokens, over                   int
	errors                         []string
	first, gaps, tail              []float64 // ms
}

// add takes one ended stream. Only whole streams are timed; what a broken one measured means nothing.
func (t *tally) add(check *checker, asked time.Time, err error) {
	t.streams++
	t.tokens += len(check.arrivals)
	if err != nil {
		if lied := (*wrongError)(nil); errors.As(err, &lied) {
			t.wrong++
		} else {
			t.incomplete++
		}
		if len(t.errors) < maxErrors {
			t.errors = append(t.errors, check.plan.String()+": "+err.Error())
		}
		return
	}
	t.ok++
	for index, at := range check.arrivals {
		if index == 0 {
			t.first = append(t.first, milliseconds(at.Sub(asked)))
			continue
		}
		t.gap(at.Sub(check.arrivals[index-1]))
	}
	if count := len(check.arrivals); count > 0 {
		last := check.ended.Sub(check.arrivals[count-1])
		t.tail = append(t.tail, milliseconds(last))
		t.gap(last) // a peer that sits on the end of a stream has a gap, too
	}
}

func (t *tally) gap(length time.Duration) {
	t.gaps = append(t.gaps, milliseconds(length))
	if t.limit > 0 && length > t.limit {
		t.over++
	}
}

// distribution is in milliseconds.
type distribution struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
}

type result struct {
	Event      string       `json:"event"`
	Streams    int          `json:"streams"`
	OK         int          `json:"ok"`
	Wrong      int          `json:"wrong"`
	Incomplete int          `json:"incomplete"`
	Errors     []string     `json:"errors"`
	Tokens     int          `json:"tokens"`
	PeakLive   int64        `json:"peak_live"`
	First      distribution `json:"first_ms"`
	Gap        distribution `json:"gap_ms"`
	Tail       distribution `json:"tail_ms"`
	OverLimit  int          `json:"gaps_over_limit"`
	LimitMS    float64      `json:"gap_limit_ms"`
	Seconds    float64      `json:"seconds"`
}

func (t *tally) result(peak int64, took time.Duration) result {
	return result{
		Event: "result", Streams: t.streams, OK: t.ok, Wrong: t.wrong, Incomplete: t.incomplete, Errors: t.errors, Tokens: t.tokens,
		PeakLive: peak, First: distribute(t.first), Gap: distribute(t.gaps), Tail: distribute(t.tail),
		OverLimit: t.over, LimitMS: milliseconds(t.limit), Seconds: took.Seconds(),
	}
}

// distribute uses the nearest rank: every number it prints was measured.
func distribute(samples []float64) distribution {
	if len(samples) == 0 {
		return distribution{}
	}
	slices.Sort(samples)
	rank := func(q float64) float64 { return samples[int(math.Ceil(q*float64(len(samples))))-1] }
	return distribution{Count: len(samples), P50: rank(0.5), P99: rank(0.99), Max: samples[len(samples)-1]}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
