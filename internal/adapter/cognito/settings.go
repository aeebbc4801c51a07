package cognito

import (
	"errors"
	"fmt"
	"time"
)

// Settings are the operator's settings for all app clients.
type Settings struct {
	// IdentityProviders are the names of the pool's identity providers that
	// the sign-in page offers; COGNITO is the pool's own users.
	IdentityProviders []string
	// AccessToken and IDToken are the lifetimes of these tokens in whole
	// seconds: 5 minutes to a day, and not longer than RefreshToken.
	AccessToken time.Duration
	IDToken     time.Duration
	// RefreshToken is how long a sign-in can be refreshed, in whole seconds:
	// an hour to 3,650 days. Rotation does not extend it.
	RefreshToken time.Duration
	// NoRotation turns refresh token rotation off and allows
	// ALLOW_REFRESH_TOKEN_AUTH, which excludes rotation. It is for pools whose
	// plan has no rotation.
	NoRotation bool
	// RotationGrace is how long a replaced refresh token stays valid, for
	// clients that lost the response: 0 to 60 whole seconds.
	RotationGrace time.Duration
	// Callback and SignOut are the broker's own redirect URI and sign-out URL,
	// the only ones of app clients in brokered mode.
	Callback string
	SignOut  string
	// Quota is the maximum number of app clients in the pool; 0 means 1,000,
	// AWS's default. Only a metric uses it.
	Quota int
}

// defaultQuota is Cognito's default quota of app clients in a user pool.
const defaultQuota = 1000

// DefaultSettings returns settings for the pool's own users, with tokens of one
// hour, sign-ins of 30 days and a grace of 60 seconds.
func DefaultSettings() Settings {
	return Settings{
		IdentityProviders: []string{"COGNITO"},
		AccessToken:       time.Hour,
		IDToken:           time.Hour,
		RefreshToken:      30 * 24 * time.Hour,
		RotationGrace:     time.Minute,
	}
}

// Check returns the settings that Cognito would refuse as one joined error.
func (s Settings) Check() error {
	var faults []error
	duration := func(name string, d, least, most time.Duration) {
		if d < least || d > most || d%time.Second != 0 {
			faults = append(faults, fmt.Errorf("%s: %s is not a whole number of seconds from %s to %s", name, d, least, most))
		}
	}
	duration("access token lifetime", s.AccessToken, 5*time.Minute, 24*time.Hour)
	duration("id token lifetime", s.IDToken, 5*time.Minute, 24*time.Hour)
	duration("refresh token lifetime", s.RefreshToken, time.Hour, 3650*24*time.Hour)
	duration("refresh token rotation grace", s.RotationGrace, 0, time.Minute)
	if longest := max(s.AccessToken, s.IDToken); longest > s.RefreshToken {
		faults = append(faults, fmt.Errorf("refresh token lifetime: %s is less than the %s of another token", s.RefreshToken, longest))
	}
	if len(s.IdentityProviders) == 0 {
		faults = append(faults, errors.New("identity providers: with none the sign-in page has nothing to offer; COGNITO is the pool's own users"))
	}
	for _, name := range s.IdentityProviders {
		if len(name) < 1 || len(name) > 32 {
			faults = append(faults, fmt.Errorf("identity provider %q: a name has 1 to 32 characters", name))
		}
	}
	return errors.Join(faults...)
}
