package cognito

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

func TestSettingsCheck(t *testing.T) {
	tests := []struct {
		change func(*Settings)
		want   []string // nil: accepted
	}{
		{func(*Settings) {}, nil},
		{func(s *Settings) { s.RotationGrace = 0 }, nil}, // no grace
		{func(s *Settings) { s.AccessToken, s.IDToken, s.RefreshToken = 5*time.Minute, 5*time.Minute, time.Hour }, nil},
		{func(s *Settings) { s.AccessToken, s.RefreshToken = 24*time.Hour, 3650*24*time.Hour }, nil},
		{func(s *Settings) { *s = Settings{} }, []string{"access token", "id token", "refresh token", "identity providers"}}, // all at once
		{func(s *Settings) { s.AccessToken = 4*time.Minute + 59*time.Second }, []string{"access token"}},
		{func(s *Settings) { s.IDToken = 24*time.Hour + time.Second }, []string{"id token"}},
		{func(s *Settings) { s.RefreshToken = 3650*24*time.Hour + time.Second }, []string{"refresh token"}},
		{func(s *Settings) { s.AccessToken = time.Hour + time.Millisecond }, []string{"whole number of seconds"}},
		{func(s *Settings) { s.RotationGrace = 61 * time.Second }, []string{"grace"}},
		{func(s *Settings) { s.RotationGrace = -time.Second }, []string{"grace"}},
		{func(s *Settings) { s.AccessToken, s.RefreshToken = 2*time.Hour, time.Hour }, []string{"less than"}},
		{func(s *Settings) { s.IdentityProviders = []string{strings.Repeat("p", 33)} }, []string{"1 to 32"}},
		{func(s *Settings) { s.IdentityProviders = []string{""} }, []string{"1 to 32"}},
	}
	for _, tt := range tests {
		s := DefaultSettings()
		tt.change(&s)
		err := s.Check()
		if (err == nil) != (tt.want == nil) {
			t.Errorf("Check(%+v) = %v, want %q", s, err, tt.want)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("Check(%+v) = %v, want it to contain %q", s, err, want)
			}
		}
	}
}

// fixed returns settings that never change.
func fixed(s Settings) func(context.Context) (Settings, error) {
	return func(context.Context) (Settings, error) { return s, nil }
}

// Each call uses the settings in force, without a restart.
func TestChangedSettingsApplyToTheNextCall(t *testing.T) {
	c, pool := brokeredOn(t, 10, 1)
	inForce := brokeredSettings()
	c.getSettings = func(context.Context) (Settings, error) { return inForce, nil }
	spec := broker.BrokeredAppClient{Name: "open", Scopes: []string{"openid"}}
	want := func(when string, seconds int64) {
		t.Helper()
		if got := pool.AppClients()[0].Settings.AccessTokenValidity; got != seconds {
			t.Errorf("%s: access tokens for %d s, want %d s", when, got, seconds)
		}
	}
	made, err := c.CreateBrokered(t.Context(), marker, spec)
	if err != nil {
		t.Fatal(err)
	}
	want("created", 3600)
	inForce.AccessToken = 10 * time.Minute
	if err := c.UpdateBrokered(t.Context(), made.ID, marker, spec); err != nil {
		t.Fatal(err)
	}
	want("updated", 600)
}

// Without usable settings nothing is created or updated, and the caller may
// try again. A list works.
func TestWithoutSettings(t *testing.T) {
	c, pool := brokeredOn(t, 10, 1)
	spec := broker.BrokeredAppClient{Name: "open", Scopes: []string{"openid"}}
	made, err := c.CreateBrokered(t.Context(), marker, spec)
	if err != nil {
		t.Fatal(err)
	}
	unread := errors.New("not read")
	for name, get := range map[string]func(context.Context) (Settings, error){
		"not read": func(context.Context) (Settings, error) { return Settings{}, broker.NotReady(unread) },
		"faulty":   fixed(Settings{}),
	} {
		c.getSettings = get
		_, createErr := c.Create(t.Context(), marker, public())
		_, brokeredErr := c.CreateBrokered(t.Context(), marker, spec)
		for call, err := range map[string]error{
			"Create": createErr, "CreateBrokered": brokeredErr,
			"UpdateBrokered": c.UpdateBrokered(t.Context(), made.ID, marker, spec),
		} {
			if _, ok := errors.AsType[*broker.NotAppliedError](err); !ok || errors.Is(err, unread) != (name == "not read") {
				t.Errorf("%s: %s = %v, want a NotAppliedError with the cause", name, call, err)
			}
		}
		n := 0
		for _, err := range c.List(t.Context()) {
			if err != nil {
				t.Errorf("%s: List = %v", name, err)
			}
			n++
		}
		if n != 1 || len(pool.AppClients()) != 1 {
			t.Errorf("%s: %d app clients, %d listed, want 1", name, len(pool.AppClients()), n)
		}
	}
}
