package grants_test

import (
	"context"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/grants"
	"github.com/dcr-broker/dcr-broker/test/fake"
	kit "github.com/dcr-broker/dcr-broker/test/world"
)

// secretOf returns the secret that apps returns for the shared app client.
func secretOf(t *testing.T, w *kit.Brokered, apps *grants.AppClients) string {
	t.Helper()
	a, err := apps.Get(t.Context(), w.Keys, "profile/open")
	if err != nil {
		t.Fatal(err)
	}
	return a.Secret
}

func TestSecretIsReadAgainAfterTenMinutes(t *testing.T) {
	fake.EachClock(t, func(t *testing.T, clock *fake.Clock) {
		w := kit.NewBrokeredWith(t, kit.Options{Clock: clock})
		apps := grants.NewAppClients(w.Store, w.Now)
		store := func(secret string) {
			w.AddAppClient("profile/open", broker.KindShared, broker.AppCredentials{ID: "app", Secret: secret})
		}
		for _, step := range []struct {
			name   string
			later  time.Duration
			stored string // before
			want   string
		}{
			{"at first", 0, "s1", "s1"},
			{"within ten minutes", 10*time.Minute - 1, "s2", "s1"},
			{"after ten minutes", 1, "s2", "s2"},
			{"after the clock was set back", -time.Second, "s3", "s3"},
			{"within ten minutes of that", time.Minute, "s4", "s3"},
		} {
			store(step.stored)
			clock.Advance(step.later)
			if got := secretOf(t, w, apps); got != step.want {
				t.Errorf("%s: secret %q, want %q", step.name, got, step.want)
			}
		}
	})
}

// frozenReads are records of app clients. Lambda freezes the process for ten
// minutes during each read.
type frozenReads struct{ *kit.Brokered }

func (r frozenReads) AppClient(ctx context.Context, key string) (*broker.AppClient, error) {
	a, err := r.Inner.AppClient(ctx, key)
	r.Wait(10 * time.Minute)
	return a, err
}

// A secret whose read began before the process was frozen is as old as the read.
func TestTheAgeOfASecretBeginsBeforeItsRead(t *testing.T) {
	w := kit.NewBrokered(t)
	apps := grants.NewAppClients(frozenReads{w}, w.Now)
	for _, secret := range []string{"s1", "s2"} {
		w.AddAppClient("profile/open", broker.KindShared, broker.AppCredentials{ID: "app", Secret: secret})
		if got := secretOf(t, w, apps); got != secret {
			t.Errorf("secret %q, want %q", got, secret)
		}
	}
}
