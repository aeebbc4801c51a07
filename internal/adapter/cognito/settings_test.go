package cognito

import (
	"strings"
	"testing"
	"time"
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
