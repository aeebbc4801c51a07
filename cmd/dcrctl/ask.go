package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/tool/terminal"
)

// confirmation is the flag of commands that ask.
type confirmation struct {
	Yes bool `short:"y" help:"Do not ask."`
}

// ask asks, and returns errNotConfirmed unless the answer is yes. Without a
// terminal nobody can be asked.
func (c confirmation) ask(ctx context.Context, op *operator, format string, args ...any) error {
	return c.askFor(ctx, op, "yes", " [y/N] ", format, args...)
}

// askFor wants that word for an answer; y does for yes.
func (c confirmation) askFor(ctx context.Context, op *operator, word, hint, format string, args ...any) error {
	if c.Yes {
		return nil
	}
	question := lines(fmt.Sprintf(format, args...))
	if f, ok := op.in.(*os.File); !ok || !terminal.Is(f) {
		fmt.Fprintln(op.errs, question)
		return fmt.Errorf("%w: standard input is no terminal; --yes says yes", errNotConfirmed)
	}
	fmt.Fprint(op.errs, question, hint)
	answer := make(chan string, 1)
	go func() {
		line, err := bufio.NewReader(op.in).ReadString('\n')
		if err != nil && err != io.EOF {
			line = ""
		}
		answer <- strings.TrimSpace(line)
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(op.errs)
		return errNotConfirmed
	case line := <-answer:
		if line == word || word == "yes" && (strings.EqualFold(line, "y") || strings.EqualFold(line, "yes")) {
			return nil
		}
		return errNotConfirmed
	}
}

// progress is a line on standard error that says how far long work has got. It
// is written on a terminal only, and at most ten times a second.
type progress struct {
	w    io.Writer // nil if nobody is looking
	last time.Time
}

func (op *operator) progress() *progress {
	if terminal.Is(op.errs) && os.Getenv("TERM") != "dumb" {
		return &progress{w: op.errs}
	}
	return &progress{}
}

func (p *progress) say(format string, args ...any) {
	if p.w == nil || time.Since(p.last) < 100*time.Millisecond {
		return
	}
	p.last = time.Now()
	fmt.Fprintf(p.w, "\r\x1b[K%s", clip(plain(fmt.Sprintf(format, args...)), 76))
}

// end takes the line away.
func (p *progress) end() {
	if p.w != nil && !p.last.IsZero() {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
