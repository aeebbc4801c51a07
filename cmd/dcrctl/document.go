package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
)

// fault is a fault of a document, as JSON.
type fault struct {
	Path    string `json:"path"`
	Message string `json:"message"`
}

func (f fault) String() string {
	if f.Path == "" {
		return f.Message
	}
	return f.Path + ": " + f.Message
}

// faultyError means that a document has faults.
type faultyError struct {
	name   string
	faults []fault
}

func (e *faultyError) Error() string {
	text := []string{fmt.Sprintf("%s has %s:", e.name, plural(len(e.faults), "fault", "faults"))}
	for _, f := range e.faults {
		text = append(text, f.String())
	}
	return strings.Join(text, "\n")
}

// parse checks a document. The error is a *faultyError.
func parse(name string, body []byte, d broker.Deployment) (*configuration.Configuration, error) {
	c, err := configuration.Parse(body, d)
	if err != nil {
		return nil, &faultyError{name, faultsOf(err)}
	}
	return c, nil
}

// modeFlag is the flag of commands that check a document without a deployment.
type modeFlag struct {
	Mode string `enum:",brokered,direct" default:"" placeholder:"MODE" help:"brokered or direct. Default: AUTHORIZATION in the environment, otherwise brokered."`
}

// deployment returns the deployment for which a document is checked, as far as
// the environment describes it.
func (m modeFlag) deployment(op *operator) (broker.Deployment, error) {
	d := broker.Deployment{
		ID: op.getenv("DEPLOYMENT_ID"), Issuer: op.getenv("ISSUER"),
		Mode: broker.Mode(cmp.Or(m.Mode, op.getenv("AUTHORIZATION"), string(broker.ModeBrokered))),
	}
	if d.Mode != broker.ModeBrokered && d.Mode != broker.ModeDirect {
		return d, usagef("AUTHORIZATION: must be brokered or direct, not %q", d.Mode)
	}
	if v := op.getenv("LOGIN_VERSION"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n != 1 && n != 2 {
			return d, usagef("LOGIN_VERSION: must be 1 or 2, not %q", v)
		}
		d.LoginVersion = n
	}
	return d, nil
}

// read reads and checks a document: a file, or standard input for "-".
func (m modeFlag) read(op *operator, name string) (*configuration.Configuration, []byte, broker.Deployment, error) {
	d, err := m.deployment(op)
	if err != nil {
		return nil, nil, d, err
	}
	body, err := readFile(op, name)
	if err != nil {
		return nil, nil, d, err
	}
	c, err := parse(fileName(name), body, d)
	return c, body, d, err
}

// configuration returns the configuration in a file, or without a name the one
// in force.
func (m modeFlag) configuration(ctx context.Context, op *operator, name string) (*configuration.Configuration, broker.Mode, error) {
	if name != "" {
		c, _, d, err := m.read(op, name)
		return c, d.Mode, err
	}
	if m.Mode != "" {
		return nil, "", usagef("--mode is for a document in a file; the configuration in force is for the mode of its deployment")
	}
	conf, _, store, err := op.tableOnly(ctx)
	if err != nil {
		return nil, "", err
	}
	c, err := wire.Configuration(conf, store.Configuration(), op.now, slog.New(slog.DiscardHandler)).Get(ctx)
	return c, conf.Mode, causeOf(err)
}

// fileName is the name of a document in messages.
func fileName(name string) string {
	if name == "-" {
		return "standard input"
	}
	return name
}

// summary counts what is in a configuration, for people.
func summary(c *configuration.Configuration, size int) string {
	return fmt.Sprintf("%s (%s), %s, %s; %.1f KB of %d KB",
		plural(len(c.Policy.Profiles()), "profile", "profiles"), strings.Join(c.Policy.Profiles(), ", "),
		plural(len(c.Scopes), "scope", "scopes"), plural(len(c.Resources), "protected resource", "protected resources"),
		float64(size)/1024, configuration.MaxSize>>10)
}
