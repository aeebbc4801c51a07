package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/pkg/clock"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// Within five minutes of a rotation, keys returns a ring that seals with the
// new key and opens values that the old key sealed. The ring that it returned
// before does not change.
func TestKeysRotate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	document := seal.Generate()
	fake.EachClock(t, func(t *testing.T, clock *fake.Clock) {
		if err := os.WriteFile(path, document, 0o600); err != nil {
			t.Fatal(err)
		}
		keys, err := Keys(&environment.Environment{Brokered: environment.Brokered{Keys: path}}, aws.Config{}, clock.Now, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		before, err := keys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		old := before.Seal("test", "owner", "plain")

		if err := os.WriteFile(path, rotated(t, document), 0o600); err != nil {
			t.Fatal(err)
		}
		clock.Advance(5*time.Minute - 1)
		if within, err := keys(t.Context()); within != before || err != nil {
			t.Errorf("within five minutes: keys = %p, %v, want the ring %p", within, err, before)
		}
		clock.Advance(1)
		after, err := keys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := after.Seal("test", "owner", "plain"); !bytes.HasPrefix(got, []byte("k2.")) {
			t.Errorf("after the rotation: sealed as %.4q..., want with the key k2", got)
		}
		if plain, err := after.Open("test", "owner", old); plain != "plain" || err != nil {
			t.Errorf("Open of what the old key sealed = %q, %v, want plain", plain, err)
		}
		if got := before.Seal("test", "owner", "plain"); !bytes.HasPrefix(got, []byte("k1.")) {
			t.Errorf("the ring from before the rotation seals as %.4q..., want with the key k1", got)
		}
	})
}

// rotated is the document with another key, which seals.
func rotated(t *testing.T, document []byte) []byte {
	t.Helper()
	var d, other map[string]any
	if err := json.Unmarshal(document, &d); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(seal.Generate(), &other); err != nil {
		t.Fatal(err)
	}
	d["keys"].(map[string]any)["k2"] = other["keys"].(map[string]any)["k1"]
	d["seal"] = "k2"
	b := must.Marshal(t, d)
	return b
}

// A deployment may set an endpoint for the keys that is not the region's.
func TestKeysFromAnEndpoint(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("X-Amz-Target"); got != "secretsmanager.GetSecretValue" {
			t.Errorf("X-Amz-Target = %q, want secretsmanager.GetSecretValue", got)
		}
		json.NewEncoder(w).Encode(map[string]string{"SecretString": string(seal.Generate())})
	}))
	defer srv.Close()
	sdk := aws.Config{Region: "us-east-1", RetryMaxAttempts: 1, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
	})}
	keys, err := Keys(&environment.Environment{Brokered: environment.Brokered{Keys: "secretsmanager:dcr/keys", KeysEndpoint: srv.URL}}, sdk, clock.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys(t.Context()); err != nil {
		t.Errorf("keys: %v, want the keys of the endpoint", err)
	}
	if sdk.BaseEndpoint != nil {
		t.Errorf("the caller's BaseEndpoint = %q, want it unchanged", *sdk.BaseEndpoint)
	}
}

// A broker that started before its keys were there finds them later.
func TestKeysThatAreMissingAtFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	c := fake.NewClock()
	keys, err := Keys(&environment.Environment{Brokered: environment.Brokered{Keys: path}}, aws.Config{}, c.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if ring, err := keys(t.Context()); err == nil {
		t.Errorf("keys that are missing = %v, want an error", ring)
	}
	if err := os.WriteFile(path, seal.Generate(), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Advance(time.Minute)
	if _, err := keys(t.Context()); err != nil {
		t.Errorf("a minute after there are keys: %v", err)
	}
}
