package contract

import (
	"encoding/json"
	"errors"
	"iter"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// An OpenStore opens the store under test, whose clock is now. The store may
// hold records already, and may be the same one each time.
type OpenStore func(t *testing.T, now func() time.Time) broker.Store

// TestStore tests that the store which open returns keeps the contract of
// broker.Store. To test calls that are sent twice, run it once more with a
// store that sends each call twice.
func TestStore(t *testing.T, open func(t *testing.T, now func() time.Time) broker.Store) {
	t.Run("Registrations", func(t *testing.T) { testRegistrations(t, open) })
	t.Run("RegistrationLists", func(t *testing.T) { testRegistrationLists(t, open) })
	t.Run("AppClientRecords", func(t *testing.T) { testAppClientRecords(t, open) })
	t.Run("intents", func(t *testing.T) { testIntents(t, open) })
	t.Run("InitialAccessTokens", func(t *testing.T) { testInitialAccessTokens(t, open) })
	t.Run("Budgets", func(t *testing.T) { testBudgets(t, open) })
	t.Run("Sweeping", func(t *testing.T) { testSweeping(t, open) })
	t.Run("every field is kept", func(t *testing.T) { testEveryField(t, open) })
}

// contenders is how many goroutines compete in the concurrency tests.
const contenders = 8

// fullRegistration returns a registration with nearly every field set and a new
// id. It has no Due, since it has an ExpiresAt.
func fullRegistration(c *fake.Clock) *broker.Registration {
	return &broker.Registration{
		ClientID:   credential.NewID(),
		Generation: credential.NewID(),
		Mode:       broker.ModeDirect,
		State:      broker.RegistrationActive,
		Profile:    "partners",
		Voucher:    broker.Voucher(credential.NewID()),
		Metadata: dcr.ClientMetadata{
			RedirectURIs:            []string{"http://127.0.0.1/callback", "com.example.app:/cb"},
			TokenEndpointAuthMethod: dcr.AuthNone,
			GrantTypes:              []string{dcr.GrantAuthorizationCode, dcr.GrantRefreshToken},
			ResponseTypes:           []string{dcr.ResponseTypeCode},
			ClientName:              "Gerät \u0001 <&> \U0001f512",
			ClientURI:               "https://client.example/?a=b&c=d",
			Scope:                   "openid email",
			Contacts:                []string{"ops@client.example"},
			JWKS:                    json.RawMessage(`{"keys":[]}`),
			SoftwareID:              "0f8fad5b-d9cb-469f-a165-70867728950e",
			SoftwareStatement:       "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln",
			Localized:               map[string]string{"client_name#ja-Jpan-JP": "クライアント名"},
		},
		IssuedAt:   c.Second(),
		LastUsedAt: c.Second().Add(time.Minute),
		ExpiresAt:  c.Second().Add(time.Hour),
		AccessTokens: broker.AccessTokens{
			Current: credential.NewRegistrationAccessToken().Hash(),
			Next:    credential.NewRegistrationAccessToken().Hash(),
		},
		AppClient: credential.NewID(),
	}
}

// leastRegistration returns a registration with as few fields set as possible.
func leastRegistration(c *fake.Clock) *broker.Registration {
	return &broker.Registration{
		ClientID:   credential.NewID(),
		Generation: credential.NewID(),
		Mode:       broker.ModeDirect,
		State:      broker.RegistrationActive,
		Profile:    "open",
		Metadata:   dcr.ClientMetadata{RedirectURIs: []string{"https://client.example/cb"}},
		IssuedAt:   c.Second(),
	}
}

// diffRegistration fails the test if got is not want. It compares metadata as
// canonical JSON.
func diffRegistration(t *testing.T, what string, got, want *broker.Registration) {
	t.Helper()
	gotMetadata, err := json.Marshal(got.Metadata)
	check(t, "marshal metadata", err, nil)
	wantMetadata, err := json.Marshal(want.Metadata)
	check(t, "marshal metadata", err, nil)
	if string(gotMetadata) != string(wantMetadata) {
		t.Errorf("%s: metadata\n got %s\nwant %s", what, gotMetadata, wantMetadata)
	}
	g, w := *got, *want
	g.Metadata, w.Metadata = dcr.ClientMetadata{}, dcr.ClientMetadata{}
	diff(t, what, g, w)
}

// diff fails the test if got is not deeply equal to want. Times must therefore
// be equal and in UTC.
func diff[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// check fails the test if err is not want, which may be nil.
func check(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: got error %v, want %v", what, err, want)
	}
}

// race runs call in several goroutines at the same time and returns their
// errors.
func race(call func(i int) error) []error {
	errs := make([]error, contenders)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range contenders {
		wg.Go(func() {
			<-start
			errs[i] = call(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// oneWinner fails the test unless one error is nil and all others are loss.
func oneWinner(t *testing.T, errs []error, loss error) {
	t.Helper()
	won, lost := 0, 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case errors.Is(err, loss):
			lost++
		default:
			t.Errorf("got error %v, want none or %v", err, loss)
		}
	}
	if won != 1 || lost != len(errs)-1 {
		t.Errorf("%d calls succeeded and %d got %q, want 1 and %d", won, lost, loss, len(errs)-1)
	}
}

// collect reads a sequence to its end.
func collect[T any](t *testing.T, seq iter.Seq2[T, error]) []T {
	t.Helper()
	var all []T
	for item, err := range seq {
		if err != nil {
			t.Fatalf("sequence: %v", err)
		}
		all = append(all, item)
	}
	return all
}

// foreignIDs returns keys that do not exist and that a request may contain.
func foreignIDs() []string {
	long := slices.Repeat([]byte("x"), 5000)
	return []string{"", "unknown", "a#b", "\x00", "\xff\xfe", string(long), "../registration"}
}
