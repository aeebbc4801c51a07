// Events sends every file in events/ to the function that it is for, each to a
// process of its own, with a command such as `sam local invoke`:
//
//	go run ./test/events sam local invoke --env-vars functions.json
//
// The name of the function in template.yaml and --event FILE are put after it.
// An answer must have the status of the golden in functions/testdata; the rest of
// it depends on the deployment. It exits with 1 if one has not.
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

// atATime is how many events are under way. What takes the time is starting sam;
// then one of them waits for its container.
var atATime = runtime.NumCPU() + 1

// functionOf is the function that has a route of the HTTP API.
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

// private are the functions of events that are not of an HTTP API, and how the
// answers to them end. The janitor's begins with what it found to do.
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
		slots   = make(chan struct{}, atATime)
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
		return fmt.Errorf("%d of %d events were not answered as they should be", wrong, len(files))
	}
	fmt.Println(len(files), "events answered")
	return ctx.Err()
}

// invoke returns what was answered, in a few words.
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
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it has a container to stop
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
	want, err := wanted(name)
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

// wanted is the status in the golden of brokered mode, or of both if it has none
// of its own, unless elsewhere has another.
func wanted(name string) (int, error) {
	golden, err := os.ReadFile("functions/testdata/brokered-" + name + ".golden")
	if errors.Is(err, os.ErrNotExist) {
		golden, err = os.ReadFile("functions/testdata/" + name + ".golden")
	}
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(golden), " ")
	status, err := strconv.Atoi(first)
	if other := elsewhere[name]; other != 0 {
		if other == status {
			return 0, fmt.Errorf("elsewhere[%q] is the golden's status", name)
		}
		return other, nil
	}
	return status, err
}
