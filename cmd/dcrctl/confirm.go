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

// confirmation is the flag of commands that ask for confirmation.
type confirmation struct {
	Yes bool `short:"y" help:"Do not ask for confirmation."`
}

// confirmf writes a question and returns errNotConfirmed unless the operator
// answers yes. It returns errNotConfirmed, too, if standard input is not a
// terminal.
func (c confirmation) confirmf(ctx context.Context, op *operator, format string, args ...any) error {
	return c.confirmWord(ctx, op, "yes", " [y/N] ", fmt.Sprintf(format, args...))
}

// confirmWord is confirmf with another answer than yes. If word is yes, y is
// accepted as well.
func (c confirmation) confirmWord(ctx context.Context, op *operator, word, hint, question string) error {
	if c.Yes {
		return nil
	}
	question = lines(question)
	if f, ok := op.in.(*os.File); !ok || !terminal.Is(f) {
		fmt.Fprintln(op.errs, question)
		return fmt.Errorf("%w: standard input is not a terminal; use --yes to confirm", errNotConfirmed)
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

// progress is a line on standard error that shows the progress of a long
// command. It is only written to a terminal, and at most ten times a second.
type progress struct {
	w    io.Writer // nil if standard error is not a terminal
	last time.Time
}

func (op *operator) progress() *progress {
	if terminal.Is(op.errs) && os.Getenv("TERM") != "dumb" {
		return &progress{w: op.errs}
	}
	return &progress{}
}

func (p *progress) updatef(format string, args ...any) {
	if p.w == nil || time.Since(p.last) < 100*time.Millisecond {
		return
	}
	p.last = time.Now()
	fmt.Fprintf(p.w, "\r\x1b[K%s", clip(plain(fmt.Sprintf(format, args...)), 76))
}

// end removes the line.
func (p *progress) end() {
	if p.w != nil && !p.last.IsZero() {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
