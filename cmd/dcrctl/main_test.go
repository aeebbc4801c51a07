package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/dcr-broker/dcr-broker/internal/dynamo"
	"github.com/dcr-broker/dcr-broker/internal/version"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// dcrctl runs the command line against a table of its own.
type dcrctl struct {
	t     *testing.T
	env   map[string]string
	store broker.Store
}

func newDCRCtl(t *testing.T) *dcrctl {
	t.Helper()
	endpoint := os.Getenv("DYNAMODB_ENDPOINT")
	if endpoint == "" {
		t.Skip("dcrctl was not run against a table: set DYNAMODB_ENDPOINT, as scripts/moto.sh run go test does")
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "local")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "local")
	sdk, err := config.LoadDefaultConfig(t.Context(), config.WithRegion("us-east-1"))
	if err != nil {
		t.Fatal(err)
	}
	client := dynamodb.NewFromConfig(sdk, func(o *dynamodb.Options) { o.BaseEndpoint = aws.String(endpoint) })
	table := "dcrctl-" + credential.NewID()
	if err := dynamo.CreateTable(t.Context(), client, table); err != nil {
		t.Fatal(err)
	}
	return &dcrctl{t: t, store: dynamo.New(client, table, time.Now), env: map[string]string{
		"AWS_REGION": "us-east-1", "TABLE_NAME": table, "DYNAMODB_ENDPOINT": endpoint, "SCOPES": "openid mcp/read",
	}}
}

func (d *dcrctl) run(args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = run(context.Background(), args, &o, &e, func(name string) string { return d.env[name] })
	return code, o.String(), e.String()
}

func (d *dcrctl) must(args ...string) (out, notes string) {
	d.t.Helper()
	code, out, errs := d.run(args...)
	if code != 0 {
		d.t.Fatalf("dcrctl %q = %d: %s", args, code, errs)
	}
	return out, errs
}

func TestInitialAccessTokens(t *testing.T) {
	d := newDCRCtl(t)
	if out, notes := d.must("iat", "list"); out != "" || !strings.Contains(notes, "iat create") {
		t.Errorf("list of none = %q, %q, want a hint and no table", out, notes)
	}

	out, notes := d.must("iat", "create", "--profile", "trusted", "--label", "CI", "--uses", "3", "--expires-in", "24h", "--created-by", "alice")
	tok := credential.Presented(strings.TrimSpace(out))
	id, err := credential.InitialAccessTokenID(tok)
	if err != nil {
		t.Fatalf("create printed %q on its own: %v", out, err)
	}
	if strings.Contains(notes, tok.Reveal()) || !strings.Contains(notes, id) || !strings.Contains(notes, "3 uses") {
		t.Errorf("notes = %q, want id and uses, and not the token again", notes)
	}
	rec, err := d.store.InitialAccessToken(t.Context(), id)
	if err != nil || !rec.Hash.Matches(tok) || rec.Label != "CI" || rec.CreatedBy != "alice" || rec.MaxUses != 3 || rec.ExpiresAt.Sub(rec.CreatedAt) != 24*time.Hour {
		t.Errorf("stored = %+v, %v", rec, err)
	}
	if err := d.store.UseInitialAccessToken(t.Context(), id, "somebody"); err != nil {
		t.Fatal(err)
	}

	row := func() string {
		out, _ := d.must("iat", "list")
		if strings.Contains(out, tok.Reveal()) {
			t.Error("list shows the token")
		}
		for line := range strings.Lines(out) {
			if strings.HasPrefix(line, id) {
				return line
			}
		}
		t.Fatalf("list does not show %s: %s", id, out)
		return ""
	}
	if got := row(); !strings.Contains(got, "valid") || !strings.Contains(got, "1/3") || !strings.Contains(got, "CI") {
		t.Errorf("row = %q, want valid, 1/3, CI", got)
	}
	d.must("iat", "revoke", id)
	if got := row(); !strings.Contains(got, "revoked") {
		t.Errorf("row = %q, want revoked", got)
	}
	d.must("iat", "revoke", tok.Reveal()) // whoever found a leaked token has only that
}

func TestMistakes(t *testing.T) {
	d := newDCRCtl(t)
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"iat", "create", "--profile", "nosuch"}, 1, "open, trusted"},
		{[]string{"iat", "create", "--profile", "trusted", "--uses", "1001"}, 1, "1000"},
		{[]string{"iat", "create", "--profile", "trusted", "--expires-in=-1h"}, 1, "negative"},
		{[]string{"iat", "create"}, 2, "--profile"},
		{[]string{"iat", "revoke", "nosuch"}, 1, "iat list"},
		{[]string{"iat", "brew"}, 2, "brew"},
		{nil, 2, "--help"},
	} {
		code, _, errs := d.run(tt.args...)
		if code != tt.code || !strings.Contains(errs, tt.says) {
			t.Errorf("dcrctl %q = %d, %q, want %d and %q", tt.args, code, errs, tt.code, tt.says)
		}
	}
	d.env["POLICY"] = "ssm:"
	if code, _, errs := d.run("iat", "create", "--profile", "trusted"); code != 2 || !strings.Contains(errs, "POLICY: ssm:") {
		t.Errorf("a policy that cannot be = %d, %q, want 2 and what is wrong", code, errs)
	}
	d.env = nil
	code, _, errs := d.run("iat", "list")
	if code != 2 || !strings.Contains(errs, "TABLE_NAME: must be set") || !strings.Contains(errs, "AWS_REGION: must be set") {
		t.Errorf("without environment = %d, %q, want 2 and what is missing", code, errs)
	}
	if code, out, _ := d.run("--help"); code != 0 || !strings.Contains(out, "TABLE_NAME") {
		t.Errorf("--help = %d, %q, want 0 and the environment", code, out)
	}
}

// --version is for somebody who has just unpacked it.
func TestVersionWantsNoEnvironment(t *testing.T) {
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"--version"}, &out, &errs, func(string) string { return "" })
	if code != 0 || out.String() != "dcrctl "+version.String()+"\n" || errs.Len() > 0 {
		t.Errorf("dcrctl --version = %d, %q, %q; want the version alone", code, out.String(), errs.String())
	}
}
