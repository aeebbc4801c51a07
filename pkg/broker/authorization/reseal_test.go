package authorization

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// failing is a provisioner that is not reached.
type failing struct{}

func (failing) Provision(context.Context, string) error { return fake.ErrInjected }

// An operator must not take the former key out of the keys while a secret needs
// it.
func TestASecretThatIsNotSealedAgainIsLogged(t *testing.T) {
	w := newWorld(t)
	before, after := fake.RotatedKeys(t)
	app, err := w.store.AppClient(t.Context(), broker.SharedAppClientKey("asking"))
	if err != nil {
		t.Fatal(err)
	}
	app.Secret = before.Seal(broker.SecretPurpose, app.SecretOwner(), appSecret)
	if err := w.store.ReplaceAppClient(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	log, c := new(fake.Log), w.config()
	w.ring, c.Provisioner, c.Log = after, failing{}, slog.New(slog.NewTextHandler(log, nil))
	if w.flow, err = New(c); err != nil {
		t.Fatal(err)
	}
	w.begin()
	if got := log.String(); !strings.Contains(got, `level=WARN msg="app client secret not sealed again`) || !strings.Contains(got, "app_client=cognito-id") {
		t.Errorf("got the log %q, want a warning about the app client", got)
	}
}
