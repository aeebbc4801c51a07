// Events is a test kit: it sends every file in events/ to its function, with
// one run of a command such as `sam local invoke` for each:
//
//	go run ./test/events sam local invoke --env-vars functions.json
//
// It appends the name of the function in template.yaml and --event FILE. An
// answer must have the status of the golden in functions/testdata. It leaves
// out the rest of the answer, which depends on the deployment. It exits with 1
// if a status differs.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// concurrency is the number of concurrent commands: one more than the CPUs,
// because starting sam takes most of the time and a command also waits for its
// container.
var concurrency = runtime.NumCPU() + 1

// functionOf has the function of each route of the HTTP API.
var functionOf = map[string]string{
	"ANY /register":             "RegisterFunction",
	"ANY /register/{client_id}": "RegisterFunction",
	"ANY /token":                "TokenFunction",
	"ANY /revoke":               "TokenFunction",
	"ANY /introspect":           "TokenFunction",
	"ANY /authorize":            "AuthorizeFunction",
	"ANY /callback":             "AuthorizeFunction",
	"ANY /consent":              "AuthorizeFunction",
	"ANY /signed-out":           "AuthorizeFunction",
	"GET /assets/{proxy+}":      "AuthorizeFunction",
	"$default":                  "MetadataFunction",
}

// private has the functions of events without a route, and the end of their
// answers. The janitor's answer begins with numbers that vary.
var private = map[string]struct{ function, answer string }{
	"janitor":           {"JanitorFunction", `,"failed":0,"backlog":0,"unfinished":false}`},
	"provision":         {"ProvisionFunction", `{"status":"ready"}`},
	"provision-unknown": {"ProvisionFunction", `{"status":"not_found"}`},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: events COMMAND [ARG...]")
		os.Exit(2)
	}
	if err := invokeAll(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "events:", err)
		os.Exit(1)
	}
}

func invokeAll(ctx context.Context, command []string) error {
	files, err := filepath.Glob("events/*.json")
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return errors.New("no events/*.json here")
	}
	var (
		running sync.WaitGroup
		lines   sync.Mutex // guards the output and wrong
		wrong   int
		slots   = make(chan struct{}, concurrency)
	)
	for _, file := range files {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			start := time.Now()
			line, err := invoke(ctx, command, file)
			lines.Lock()
			defer lines.Unlock()
			if err != nil {
				wrong++
				line = "WRONG: " + err.Error()
			}
			fmt.Printf("%-36s %5.1fs  %s\n", file, time.Since(start).Seconds(), line)
		})
	}
	running.Wait()
	if wrong > 0 {
		return fmt.Errorf("%d of %d events had a wrong answer", wrong, len(files))
	}
	fmt.Println(len(files), "events answered")
	return ctx.Err()
}

// invoke sends an event, and returns a summary of the answer.
func invoke(ctx context.Context, command []string, file string) (string, error) {
	name := strings.TrimSuffix(filepath.Base(file), ".json")
	function := private[name].function
	if function == "" {
		var event struct{ RouteKey string }
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		if err := json.Unmarshal(text, &event); err != nil {
			return "", err
		}
		if function = functionOf[event.RouteKey]; function == "" {
			return "", fmt.Errorf("no function has the route %q", event.RouteKey)
		}
	}
	var out, log bytes.Buffer
	cmd := exec.CommandContext(ctx, command[0], append(command[1:len(command):len(command)], function, "--event", file)...)
	cmd.Stdout, cmd.Stderr = &out, &log
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it has to stop its container
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w: %s%s", err, out.Bytes(), log.Bytes())
	}
	got, err := check(name, out.Bytes())
	if err != nil {
		err = fmt.Errorf("%w; the log says\n%s", err, log.Bytes())
	}
	return function + " " + got, err
}

func check(name string, out []byte) (string, error) {
	if p := private[name]; p.function != "" {
		var compact bytes.Buffer
		if err := json.Compact(&compact, bytes.TrimSpace(out)); err != nil || !strings.HasSuffix(compact.String(), p.answer) {
			return "", fmt.Errorf("answered %q, want it to end with %s", out, p.answer)
		}
		return compact.String(), nil
	}
	want, err := wantStatus(name)
	if err != nil {
		return "", err
	}
	var answer struct{ StatusCode int }
	if err := json.Unmarshal(out, &answer); err != nil {
		return "", fmt.Errorf("answered %q, want an answer of an HTTP API", out)
	}
	if answer.StatusCode != want {
		return "", fmt.Errorf("answered %s, want status %d", bytes.TrimSpace(out), want)
	}
	return strconv.Itoa(answer.StatusCode), nil
}

// wantStatus returns the status in otherStatus, or else in the golden of
// brokered mode, or else in the golden of both modes.
func wantStatus(name string) (int, error) {
	golden, err := os.ReadFile("functions/testdata/brokered-" + name + ".golden")
	if errors.Is(err, os.ErrNotExist) {
		golden, err = os.ReadFile("functions/testdata/" + name + ".golden")
	}
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(golden), " ")
	status, err := strconv.Atoi(first)
	if other := otherStatus[name]; other != 0 {
		if other == status {
			return 0, fmt.Errorf("otherStatus[%q] is the golden's status", name)
		}
		return other, nil
	}
	return status, err
}
