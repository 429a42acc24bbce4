// Load is both ends of the benchmark in one binary: a paced provider that streams a known text, and a client that checks every token of it.
// It is also the collector of what the peers export.
//
// Provider and client share one plan and one vocabulary and nothing else. Neither knows which peer stands between them.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
)

func main() {
	commands := map[string]func([]string) error{"provider": provide, "client": load, "collector": collect}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: load provider|client|collector [flags]")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// serve listens, prints the address as one line on stdout and serves until it is killed.
func serve(address string, handler http.Handler) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	return http.Serve(listener, handler)
}
