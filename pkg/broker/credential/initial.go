package credential

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// MaxUses is the most uses of a counted initial access token: each use is a
// member of a set that is stored with the token.
const MaxUses = 1000

// InitialAccessToken is the record of an initial access token (RFC 7591 §1.2).
type InitialAccessToken struct {
	ID   string `json:"-" store:"key"`
	Hash Hash   `json:"hash"`
	// Label is the operator's name for it.
	Label string `json:"label,omitempty"`
	// Profile is the policy profile of its registrations.
	Profile string `json:"profile"`
	// CreatedBy is the operator who made it.
	CreatedBy string    `json:"created_by,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	// ExpiresAt is the time from which it is invalid; zero means never.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	// RevokedAt is when it was revoked; zero means that it was not.
	RevokedAt time.Time `json:"-" store:"revoked_at"`
	// MaxUses is the number of registrations that it allows. 0 means any
	// number, and then Uses stays 0.
	MaxUses int `json:"-" store:"max_uses"`
	// Uses is the number of registrations that have taken a use. The store counts
	// them; a new record has none.
	Uses int `json:"-" store:"uses,count"`
	// Unknown has the members of the stored record that this program does not
	// know, because a newer one wrote them: a JSON object, or nil. A store writes
	// them back.
	Unknown json.RawMessage `json:"-" store:"unknown"`
}

// Terms are what an operator decides about a new initial access token.
type Terms struct {
	Label     string
	Profile   string
	CreatedBy string
	// Lifetime is how long it is valid; zero means without end.
	Lifetime time.Duration
	// MaxUses is 1 to MaxUses, or 0 for any number.
	MaxUses int
}

// NewInitialAccessToken makes a token. The Token is shown once; only the record
// is stored.
func NewInitialAccessToken(g Terms, now time.Time) (Token, *InitialAccessToken, error) {
	switch {
	case g.Profile == "":
		return Token{}, nil, fmt.Errorf("an initial access token needs a profile")
	case g.MaxUses < 0 || g.MaxUses > MaxUses:
		return Token{}, nil, fmt.Errorf("uses: %d is not between 1 and %d, nor 0 for any number", g.MaxUses, MaxUses)
	case g.Lifetime < 0:
		return Token{}, nil, fmt.Errorf("lifetime: %s is negative", g.Lifetime)
	case len(g.Label) > 200 || strings.ContainsFunc(g.Label, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return Token{}, nil, fmt.Errorf("label: at most 200 bytes and no control characters")
	}
	id := NewID()
	t := newInitialAccessToken(id)
	rec := &InitialAccessToken{
		ID:        id,
		Hash:      t.Hash(),
		Label:     g.Label,
		Profile:   g.Profile,
		CreatedBy: g.CreatedBy,
		CreatedAt: now.UTC().Truncate(time.Second), // as broker.Seconds, which this package cannot import
		MaxUses:   g.MaxUses,
	}
	if g.Lifetime > 0 {
		rec.ExpiresAt = rec.CreatedAt.Add(g.Lifetime)
	}
	return t, rec, nil
}

// State returns "valid" if the token can be used, otherwise "revoked",
// "expired" or "spent".
func (t *InitialAccessToken) State(now time.Time) string {
	switch {
	case !t.RevokedAt.IsZero():
		return "revoked"
	case !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt):
		return "expired"
	case t.MaxUses > 0 && t.Uses >= t.MaxUses:
		return "spent"
	}
	return "valid"
}

// Clone returns a copy that shares no memory with t.
func (t *InitialAccessToken) Clone() *InitialAccessToken {
	c := *t
	c.Unknown = slices.Clone(t.Unknown)
	return &c
}

// LogValue keeps the hash out of logs.
func (t *InitialAccessToken) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", t.ID), slog.String("profile", t.Profile))
}
