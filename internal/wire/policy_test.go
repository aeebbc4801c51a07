package wire

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// A changed policy document is in force within five minutes.
func TestPolicyIsReadAgain(t *testing.T) {
	fake.EachClock(t, func(t *testing.T, clock *fake.Clock) {
		path := filepath.Join(t.TempDir(), "policy.json")
		c := new(environment.Config)
		c.Mode, c.Scopes, c.PolicyDocument = broker.ModeDirect, []string{"mcp/read"}, path
		inForce, err := Policy(c, aws.Config{}, clock.Now, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			name     string
			later    time.Duration
			document string // the profile in the document from now on
			want     string // the profile in force
		}{
			{"at first", 0, "a", "a"},
			{"within five minutes", 5*time.Minute - 1, "b", "a"},
			{"after five minutes", 1, "b", "b"},
		} {
			must.WriteFile(t, path, bytes.Replace(policy.Default(), []byte("trusted"), []byte(step.document), 1))
			clock.Advance(step.later)
			p, err := inForce(t.Context())
			if err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			if _, ok := p.Profile(step.want); !ok {
				t.Errorf("%s: profiles %q, want %q", step.name, p.Profiles(), step.want)
			}
		}
	})
}
