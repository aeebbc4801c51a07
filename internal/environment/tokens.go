package environment

import "time"

// Tokens are the settings of the tokens that Cognito issues to app clients.
type Tokens struct {
	// AccessTokenLifetime (ACCESS_TOKEN_LIFETIME), 5m to 24h. Default: 1h.
	AccessTokenLifetime time.Duration
	// IDTokenLifetime (ID_TOKEN_LIFETIME), 5m to 24h. Default: 1h.
	IDTokenLifetime time.Duration
	// RefreshTokenLifetime (REFRESH_TOKEN_LIFETIME), 1h to 87600h, and not less
	// than the others. Default: 720h.
	RefreshTokenLifetime time.Duration
	// RefreshTokenRotation (REFRESH_TOKEN_ROTATION) is whether each refresh
	// returns a new refresh token, which OAuth 2.1 requires of public clients:
	// true or false. Default: true. It must be false for a pool whose plan has no
	// rotation.
	RefreshTokenRotation bool
}

func tokens(e *env, c *Config) {
	const hour = time.Hour
	c.AccessTokenLifetime = e.lifetime("ACCESS_TOKEN_LIFETIME", hour, 5*time.Minute, 24*hour)
	c.IDTokenLifetime = e.lifetime("ID_TOKEN_LIFETIME", hour, 5*time.Minute, 24*hour)
	refreshTokenLifetime(e, c)
	if c.RefreshTokenLifetime < max(c.AccessTokenLifetime, c.IDTokenLifetime) {
		e.fault("REFRESH_TOKEN_LIFETIME", "%s is less than that of the access or ID token", c.RefreshTokenLifetime)
	}
	c.RefreshTokenRotation = e.boolean("REFRESH_TOKEN_ROTATION", true)
}

func refreshTokenLifetime(e *env, c *Config) {
	c.RefreshTokenLifetime = e.lifetime("REFRESH_TOKEN_LIFETIME", 30*24*time.Hour, time.Hour, 3650*24*time.Hour)
}
