package authorize

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
)

func TestAppClientsAreMadeOnDemand(t *testing.T) {
	t.Run("one for 10,000 strangers", func(t *testing.T) {
		w := newWorld(t)
		for range 10_000 {
			id := w.register("open", nil, webURI)
			rec := httptest.NewRecorder()
			w.server.Config.Handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/authorize?"+requestOf(id, webURI).Encode(), nil))
			if rec.Code != http.StatusSeeOther {
				t.Fatalf("status %d\n%s", rec.Code, main(rec.Body.String()))
			}
		}
		if n := w.cognito.Calls("CreateUserPoolClient"); n != 1 {
			t.Errorf("10,000 registrations made %d app clients, want 1", n)
		}
	})
	t.Run("one for two first requests at the same moment", func(t *testing.T) {
		w := newWorld(t)
		id := w.register("staff", nil, webURI)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if a := w.browser().authorize(requestOf(id, webURI)); a.status != http.StatusSeeOther {
					t.Errorf("status %d\n%s", a.status, main(a.body))
				}
			})
		}
		wg.Wait()
		if n := w.cognito.Calls("CreateUserPoolClient"); n != 1 {
			t.Errorf("%d app clients were made, want 1", n)
		}
	})
	t.Run("one for each client with a voucher", func(t *testing.T) {
		w := newWorld(t)
		for range 3 {
			id := w.register("staff", nil, webURI)
			w.browser().authorize(requestOf(id, webURI))
			w.browser().authorize(requestOf(id, webURI))
		}
		if n := w.cognito.Calls("CreateUserPoolClient"); n != 3 {
			t.Errorf("3 registrations made %d app clients, want 3", n)
		}
	})
	t.Run("a full pool loses nothing", func(t *testing.T) {
		w := newWorld(t, func(s *setup) { s.quota = 1 })
		first, second := w.register("staff", nil, webURI), w.register("staff", nil, webURI)
		w.browser().authorize(requestOf(first, webURI))
		a := w.browser().authorize(requestOf(second, webURI))
		wantPage(t, a, http.StatusServiceUnavailable, "")
		if a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		app := w.AppClient(w.dedicated(first))
		w.deleteAppClient(app.CognitoID)
		w.browser().arrive(requestOf(second, webURI), "alice") // the same link
	})
	t.Run("a throttled pool loses nothing", func(t *testing.T) {
		w := newWorld(t)
		id := w.register("staff", nil, webURI)
		w.cognito.Faults().Inject("CreateUserPoolClient", emulator.Fault{Effect: emulator.Throttle})
		a := w.browser().authorize(requestOf(id, webURI))
		wantPage(t, a, http.StatusServiceUnavailable, "")
		if a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		w.cognito.Faults().Clear()
		w.browser().arrive(requestOf(id, webURI), "alice")
	})
	t.Run("branding styles used up", func(t *testing.T) {
		w := newWorld(t)
		for range 20 {
			w.browser().authorize(requestOf(w.register("staff", nil, webURI), webURI))
		}
		a := w.browser().authorize(requestOf(w.register("staff", nil, webURI), webURI))
		wantPage(t, a, http.StatusServiceUnavailable, "shared")
	})
}

// The profile may have more scopes than it had when its app client was made.
func TestNoScopeIsRequestedThatTheAppClientDoesNotHave(t *testing.T) {
	w := newWorld(t)
	id := w.register("asking", nil, webURI)
	w.browser().authorize(requestOf(id, webURI))
	app := w.AppClient(broker.SharedAppClientKey("asking"))
	app.Scopes = []string{"openid", "notes/read"}
	if err := w.Store.ReplaceAppClient(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	a := w.browser().authorize(requestOf(id, webURI, "scope", "notes/read notes/write"))
	if got := a.at(t).Query().Get("scope"); got != "openid notes/read" {
		t.Errorf("scope = %q, want openid notes/read", got)
	}
	w.wantError(w.browser().authorize(requestOf(id, webURI, "scope", "notes/write")).at(t), webURI, "invalid_scope")
}

// The operator removes a former key when the last grant that it sealed has ended.
// The app client lives longer, so its next use seals its secret by the new key.
func TestAnAppClientIsSealedByTheCurrentKeyAtItsNextUse(t *testing.T) {
	w := newWorld(t)
	old := string(seal.Generate())
	become := func(doc string) {
		ring, err := seal.Parse([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		w.Keys = ring
	}
	become(old)
	id := w.register("asking", nil, webURI)
	w.browser().authorize(requestOf(id, webURI)).at(t)

	another := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, seal.KeySize))
	become(strings.NewReplacer(`"seal": "k1"`, `"seal": "k2"`, `"k1": "`, `"k2": "`+another+`", "k1": "`).Replace(old))
	w.browser().authorize(requestOf(id, webURI)).at(t)
	app := w.AppClient(broker.SharedAppClientKey("asking"))
	if !w.Keys.Current(app.Secret) {
		t.Error("the secret is still sealed by the old key")
	}
}
