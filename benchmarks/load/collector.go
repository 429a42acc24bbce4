package main

import (
	"io"
	"net/http"
	"sync/atomic"
)

// collect is an OTLP collector over HTTP. It drops what it receives, and counts the bytes of spans and of metrics. It
// listens, prints its address as one line on stdout and serves until it is killed.
func collect([]string) error {
	return serve("127.0.0.1:0", newCollector())
}

func newCollector() http.Handler {
	var traces, metrics atomic.Int64
	drop := func(received *atomic.Int64) http.HandlerFunc {
		return func(_ http.ResponseWriter, r *http.Request) {
			count, _ := io.Copy(io.Discard, r.Body)
			received.Add(count)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", drop(&traces))
	mux.HandleFunc("POST /v1/metrics", drop(&metrics))
	mux.HandleFunc("GET /received", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]int64{"traces": traces.Load(), "metrics": metrics.Load()})
	})
	return mux
}
