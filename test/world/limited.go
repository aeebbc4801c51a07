package world

import (
	"errors"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// LimitedPolicy has a profile under which a registration with a token takes
// something of every budget: a use and a place. It also counts in its hour.
const LimitedPolicy = `{"version":1,"profiles":{"limited":{"redirect_uris":{"any_https":true},
	"token_endpoint_auth_methods":["client_secret_basic","none"],"limits":{"app_clients":3,"creations_per_hour":3}}}}`

// PlacesKey is the key of the places of that profile.
const PlacesKey = "app_clients/limited"

// Taken has the numbers of places that registrations under LimitedPolicy hold.
type Taken struct{ Uses, Places int }

// LimitedClient is a client that is registered under LimitedPolicy.
type LimitedClient struct {
	Info *dcr.ClientInformation
	RAT  credential.Token
	IAT  string // the id of the initial access token
	R    *broker.Registration
	A    *broker.AppClient
}

// Members counts the members of a budget.
func (w *World) Members(key string) int {
	w.T.Helper()
	for n := range 100 {
		err := w.Inner.TakeBudget(w.T.Context(), broker.Budget{Key: key, Limit: n + 1, ExpiresAt: w.Now().Add(2 * time.Hour)}, "probe")
		if errors.Is(err, broker.ErrExhausted) {
			continue
		}
		if err := errors.Join(err, w.Inner.ReturnBudget(w.T.Context(), key, "probe")); err != nil {
			w.T.Fatal(err)
		}
		return n
	}
	w.T.Fatalf("more than 100 members of %s", key)
	return 0
}

// Taken returns the numbers of places that registrations under LimitedPolicy
// hold.
func (w *World) Taken(iat string) Taken {
	w.T.Helper()
	return Taken{w.Uses(iat), w.Members(PlacesKey)}
}

// WantTaken checks these numbers.
func (w *World) WantTaken(when, iat string, want Taken) {
	w.T.Helper()
	if got := w.Taken(iat); got != want {
		w.T.Errorf("%s: taken %+v, want %+v", when, got, want)
	}
}

// LimitedClient registers a client under LimitedPolicy.
func (w *World) LimitedClient() *LimitedClient {
	w.T.Helper()
	w.UsePolicy(LimitedPolicy)
	tok, iat := w.Token("limited", 1)
	info, rat := w.MustRegister(ConfidentialBody, tok)
	c := &LimitedClient{Info: info, RAT: rat, IAT: iat}
	var err error
	if c.R, err = w.Inner.Registration(w.T.Context(), info.ClientID); err != nil {
		w.T.Fatal(err)
	}
	if c.A, err = w.Inner.AppClient(w.T.Context(), c.R.AppClient); err != nil {
		w.T.Fatal(err)
	}
	return c
}

// Put stores the changed records of c.
func (w *World) Put(c *LimitedClient) {
	w.T.Helper()
	if err := w.Inner.ReplaceRegistration(w.T.Context(), c.R); err != nil {
		w.T.Fatal(err)
	}
	if err := w.Inner.ReplaceAppClient(w.T.Context(), c.A); err != nil {
		w.T.Fatal(err)
	}
}

// HasRegistration reports whether there is a registration with the id of c.
func (w *World) HasRegistration(c *LimitedClient) bool {
	w.T.Helper()
	_, err := w.Inner.Registration(w.T.Context(), c.R.ClientID)
	if err != nil && !errors.Is(err, broker.ErrNotFound) {
		w.T.Fatal(err)
	}
	return err == nil
}

// WantUntouched checks that a janitor for which c is still listed as due does
// nothing.
func (w *World) WantUntouched(c *LimitedClient) {
	w.T.Helper()
	w.Pool.Reset()
	sweeper := w.On(&LaggingStore{Store: w.Store, Keys: []string{c.A.Key}}, w.Pool)
	if done, err := sweeper.Sweep(w.T.Context(), janitor.Options{}); err != nil || done != (janitor.Report{}) {
		w.T.Errorf("Sweep = %+v, %v, want nothing to do", done, err)
	}
	for _, method := range w.Pool.Methods() {
		if method == "List" {
			continue // to compare
		}
		if n := w.Pool.Calls(method); n != 0 {
			w.T.Errorf("%d calls of %s at Cognito, want none", n, method)
		}
	}
	if a, err := w.Inner.AppClient(w.T.Context(), c.A.Key); err != nil || a.Version != c.A.Version {
		w.T.Errorf("the record = %+v, %v, want it unchanged", a, err)
	}
}
