package emulator

import (
	"cmp"
	"slices"
	"time"
)

// Settings are the members of an app client that both CreateUserPoolClient and
// UpdateUserPoolClient set, with defaults filled in, as DescribeUserPoolClient
// returns them.
type Settings struct {
	ClientName                               string
	RefreshTokenValidity                     int64
	AccessTokenValidity                      int64 `json:",omitempty"`
	IdTokenValidity                          int64 `json:",omitempty"`
	TokenValidityUnits                       TokenValidityUnits
	ReadAttributes                           []string `json:",omitempty"`
	WriteAttributes                          []string `json:",omitempty"`
	ExplicitAuthFlows                        []string `json:",omitempty"`
	SupportedIdentityProviders               []string `json:",omitempty"`
	CallbackURLs                             []string `json:",omitempty"`
	LogoutURLs                               []string `json:",omitempty"`
	DefaultRedirectURI                       string   `json:",omitempty"`
	AllowedOAuthFlows                        []string `json:",omitempty"`
	AllowedOAuthScopes                       []string `json:",omitempty"`
	AllowedOAuthFlowsUserPoolClient          bool
	PreventUserExistenceErrors               string
	EnableTokenRevocation                    bool
	EnablePropagateAdditionalUserContextData bool
	AuthSessionValidity                      int64
	RefreshTokenRotation                     *RefreshTokenRotation `json:",omitempty"`
}

// TokenValidityUnits are the units of the three validities: seconds, minutes,
// hours or days. Empty means hours, for refresh tokens days.
type TokenValidityUnits struct {
	AccessToken  string `json:",omitempty"`
	IdToken      string `json:",omitempty"`
	RefreshToken string `json:",omitempty"`
}

// RefreshTokenRotation sets whether a refresh returns a new refresh token, and
// how long the old one stays valid.
type RefreshTokenRotation struct {
	Feature                 string
	RetryGracePeriodSeconds *int64 `json:",omitempty"`
}

// AppClient is a snapshot of an app client.
type AppClient struct {
	ClientID string
	Settings
	Secrets  []string // the active ones, oldest first; none for a public client
	Created  time.Time
	Modified time.Time
}

// AppClients returns all app clients of the pool, oldest first. The caller may
// change the snapshot.
func (c *Cognito) AppClients() []AppClient {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []AppClient
	for _, a := range c.byAge() {
		s := AppClient{ClientID: a.id, Settings: a.settings.clone(), Created: a.created, Modified: a.modified}
		for _, secret := range a.secrets {
			s.Secrets = append(s.Secrets, secret.value)
		}
		out = append(out, s)
	}
	return out
}

// appClient is guarded by Cognito.mu. Its settings are replaced and never
// changed in place, so a copy made under the lock may be read without it.
type appClient struct {
	id       string
	serial   int
	settings Settings
	secrets  []clientSecret // oldest first
	created  time.Time
	modified time.Time
}

func (c *Cognito) byAge() []*appClient {
	out := make([]*appClient, 0, len(c.clients))
	for _, a := range c.clients {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b *appClient) int { return cmp.Compare(a.serial, b.serial) })
	return out
}

// sets returns the members that Cognito keeps as sets. The other lists come back
// as they were sent.
func (s *Settings) sets() []*[]string {
	return []*[]string{&s.ReadAttributes, &s.WriteAttributes, &s.ExplicitAuthFlows, &s.AllowedOAuthFlows, &s.AllowedOAuthScopes}
}

func (s Settings) clone() Settings {
	for _, l := range append(s.sets(), &s.SupportedIdentityProviders, &s.CallbackURLs, &s.LogoutURLs) {
		*l = slices.Clone(*l)
	}
	if s.RefreshTokenRotation != nil {
		r := *s.RefreshTokenRotation
		s.RefreshTokenRotation = &r
	}
	return s
}

func (s Settings) allowsFlow(flow string) bool { return slices.Contains(s.AllowedOAuthFlows, flow) }

func (s Settings) allowsAuth(flow string) bool { return slices.Contains(s.ExplicitAuthFlows, flow) }

// rotation returns whether refresh tokens rotate, and the grace period of a
// replaced token.
func (s Settings) rotation() (bool, time.Duration) {
	r := s.RefreshTokenRotation
	if r == nil || r.Feature != "ENABLED" {
		return false, 0
	}
	if r.RetryGracePeriodSeconds == nil {
		return true, 0
	}
	return true, time.Duration(*r.RetryGracePeriodSeconds) * time.Second
}

func (s Settings) accessLifetime() time.Duration {
	return lifetime(s.AccessTokenValidity, s.TokenValidityUnits.AccessToken, time.Hour, time.Hour)
}

func (s Settings) idLifetime() time.Duration {
	return lifetime(s.IdTokenValidity, s.TokenValidityUnits.IdToken, time.Hour, time.Hour)
}

func (s Settings) refreshLifetime() time.Duration {
	return lifetime(s.RefreshTokenValidity, s.TokenValidityUnits.RefreshToken, 24*time.Hour, 30*24*time.Hour)
}

// lifetime returns n units. An empty unit means byDefault; n = 0 means
// whenUnset in any unit.
func lifetime(n int64, unit string, byDefault, whenUnset time.Duration) time.Duration {
	if n == 0 {
		return whenUnset
	}
	switch unit {
	case "seconds":
		byDefault = time.Second
	case "minutes":
		byDefault = time.Minute
	case "hours":
		byDefault = time.Hour
	case "days":
		byDefault = 24 * time.Hour
	}
	return time.Duration(n) * byDefault
}
