package grant

import (
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

const (
	// CodeLifetime is how long an authorization code is good for.
	CodeLifetime = 5 * time.Minute
	// ReuseWindow is how long a refresh token that has been used yields a
	// sibling, for lost replies and parallel refreshes.
	ReuseWindow = 60 * time.Second
	// maxSiblings bounds the refresh tokens that stand at one time.
	maxSiblings = 8
)

// Grant is what a user has allowed a client.
type Grant struct {
	// ID is in the code and in every refresh token, and is made from Cognito's
	// origin_jti, see ID.
	ID      string
	Version int64

	// ClientID and Generation name the registration. A grant whose registration
	// has another generation, or none, is over.
	ClientID   string
	Generation string
	User       User
	Scopes     []string
	Resource   string
	OriginJTI  string

	// Code is the hash of the authorization code, RedirectURI and Challenge
	// what it is bound to.
	Code          credential.Hash
	CodeExpiresAt time.Time
	CodeUsed      bool
	RedirectURI   string
	Challenge     string

	// Live are the refresh tokens of which none has been used, newest last.
	// Spent is the one that was used last, at SpentAt, and whose use made Live.
	Live    []credential.Hash
	Spent   credential.Hash
	SpentAt time.Time

	// AppClient is the key of the app client, CognitoID its id.
	AppClient string
	CognitoID string
	// Tokens are Cognito's, sealed for the purpose "grant" and ID.
	Tokens string

	CreatedAt time.Time
	// ExpiresAt is when Cognito's refresh token ends at the latest.
	ExpiresAt time.Time
	// EndedAt is when the grant was ended; zero if it stands.
	EndedAt time.Time
}

// Clone returns a copy that shares no memory with g.
func (g *Grant) Clone() *Grant {
	c := *g
	c.Scopes = slices.Clone(g.Scopes)
	c.Live = slices.Clone(g.Live)
	c.User.Groups = slices.Clone(g.User.Groups)
	return &c
}

// Verdict is what a presented refresh token is worth.
type Verdict int

const (
	// Refused is for a grant that has ended or expired.
	Refused Verdict = iota
	// Rotate is for a live token: it is replaced.
	Rotate
	// Sibling is for the token that was used last, within the ReuseWindow: one
	// more token is handed out, and those that stand stay.
	Sibling
	// Replayed is for anything else: somebody has kept an old token, so the
	// grant ends (RFC 9700 §4.14.2).
	Replayed
)

// Judge says what a refresh token that names this grant is worth at the time
// now.
func (g *Grant) Judge(tok credential.Token, now time.Time) Verdict {
	if !g.EndedAt.IsZero() || !now.Before(g.ExpiresAt) {
		return Refused
	}
	live := false
	for _, h := range g.Live {
		live = h.Matches(tok) || live // compared with all, whichever it is
	}
	spent := g.Spent.Matches(tok)
	switch {
	case live:
		return Rotate
	case spent && now.Before(g.SpentAt.Add(ReuseWindow)) && len(g.Live) < maxSiblings:
		return Sibling
	}
	return Replayed
}

// Rotated changes g for the use of tok, of this verdict, that yields next.
func (g *Grant) Rotated(v Verdict, tok credential.Token, next credential.Hash, now time.Time) {
	if v == Sibling {
		g.Live = append(g.Live, next)
		return
	}
	g.Live = []credential.Hash{next}
	g.Spent, g.SpentAt = tok.Hash(), now
}
