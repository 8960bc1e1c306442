// A Go exporter in a few lines, as the exporter-toolkit makes them: what ours is held against.
//
// check FILE... says of each file whether the toolkit takes it; serve FILE... answers with each of them, at an address
// of its own. Both print a line for each file: "ok" or an address, or else "refused: " and why.
package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
)

func main() {
	for _, file := range os.Args[2:] {
		say := check
		if os.Args[1] == "serve" {
			say = serve
		}
		fmt.Println(strings.ReplaceAll(say(file), "\n", " "))
	}
	if os.Args[1] == "serve" {
		os.Stdin.Read(make([]byte, 1)) // until the test ends
	}
}

func check(file string) string {
	if err := web.Validate(file); err != nil {
		return "refused: " + err.Error()
	}
	return "ok"
}

func serve(file string) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	page := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "a page") }
	server := &http.Server{Handler: http.HandlerFunc(page)}
	ended := make(chan error)
	go func() {
		ended <- web.Serve(listener, server, &web.FlagConfig{WebConfigFile: &file}, slog.New(slog.DiscardHandler))
	}()
	select {
	case err := <-ended:
		return "refused: " + err.Error()
	case <-time.After(300 * time.Millisecond):
		return listener.Addr().String()
	}
}
