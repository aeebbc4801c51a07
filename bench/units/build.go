package units

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// functions are those that read or write the table.
var functions = []string{"register", "authorize", "token", "provision", "janitor"}

// build is a checkout and its programs.
type build struct {
	module string // the directory of the checkout
	out    string // the directory of the programs
}

func (b *build) bootstrap(function string) string { return filepath.Join(b.out, function, "bootstrap") }
func (b *build) dcrctl() string                   { return filepath.Join(b.out, "dcrctl") }

// compile builds the programs as scripts/compile.sh does, but for this machine
// and with a clock that can be set forward.
func (b *build) compile(ctx context.Context) error {
	if err := os.MkdirAll(b.out, 0o755); err != nil {
		return err
	}
	golang := cmp.Or(os.Getenv("GO"), "go")
	goroot, err := b.output(ctx, golang, "env", "GOROOT")
	if err != nil {
		return err
	}
	overlay, err := setClock(goroot, b.out)
	if err != nil {
		return err
	}
	compile := func(out, pkg string) error {
		_, err := b.output(ctx, golang, "build", "-trimpath", "-buildvcs=false", "-overlay", overlay, "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", out, pkg)
		return err
	}
	for _, function := range functions {
		if err := compile(b.bootstrap(function), "./functions/"+function); err != nil {
			return err
		}
	}
	return compile(b.dcrctl(), "./cmd/dcrctl")
}

// output runs a command in the checkout, and returns its output without spaces
// around it.
func (b *build) output(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = b.module
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, bytes.TrimSpace(errs.Bytes()))
	}
	return strings.TrimSpace(string(out)), nil
}

// commitOf returns the commit of a checkout, and its date.
func commitOf(ctx context.Context, module string) (string, error) {
	return (&build{module: module}).output(ctx, "git", "log", "-1", "--format=%h of %cs")
}

// table returns the table that the checkout's template deploys, as the input of
// CreateTable without a name.
func (b *build) table() (map[string]any, error) {
	text, err := os.ReadFile(filepath.Join(b.module, "template.yaml"))
	if err != nil {
		return nil, err
	}
	return tableOf(text)
}

func tableOf(template []byte) (map[string]any, error) {
	var doc struct {
		Resources map[string]struct {
			Type       string    `yaml:"Type"`
			Properties yaml.Node `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(template, &doc); err != nil {
		return nil, fmt.Errorf("template.yaml: %w", err)
	}
	var table map[string]any
	for id, r := range doc.Resources {
		if r.Type != "AWS::DynamoDB::Table" {
			continue
		}
		if table != nil {
			return nil, errors.New("template.yaml has several tables")
		}
		var properties map[string]yaml.Node
		if err := r.Properties.Decode(&properties); err != nil {
			return nil, fmt.Errorf("template.yaml: %s: %w", id, err)
		}
		table = map[string]any{"BillingMode": "PAY_PER_REQUEST"}
		for _, name := range []string{"AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "LocalSecondaryIndexes"} {
			node, ok := properties[name]
			if !ok {
				continue
			}
			var v any
			if err := node.Decode(&v); err != nil {
				return nil, fmt.Errorf("template.yaml: %s: %w", id, err)
			}
			table[name] = v
		}
	}
	if table == nil {
		return nil, errors.New("template.yaml has no table")
	}
	return table, nil
}

// encodeTable returns the input of CreateTable.
func encodeTable(table map[string]any, name string) ([]byte, error) {
	table["TableName"] = name
	return json.Marshal(table)
}
