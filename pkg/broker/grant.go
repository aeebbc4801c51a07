package broker

import (
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
)

const (
	// CodeLifetime is how long an authorization code is good for.
	CodeLifetime = 5 * time.Minute
	// ReuseWindow is how long a refresh token that has been used yields a
	// sibling, for lost replies and parallel refreshes.
	ReuseWindow = 60 * time.Second
	// MaxGrants is how many grants can come of one sign-in, see GrantID.
	MaxGrants = 4
	// SealGrant is the purpose for which Grant.Tokens is sealed.
	SealGrant = "grant"
	// maxSiblings bounds the refresh tokens that stand at one time.
	maxSiblings = 8
)

// ID returns the id of the n-th grant, from 0, that comes of the sign-in with
// this origin_jti. A sign-in seldom has a second one, so the grant of a token
// of Cognito's is found without an index: at n = 0, and then at 1 and so on
// until there is none.
func GrantID(ring *seal.Ring, originJTI string, n int) string {
	return credential.DerivedID(ring.MAC("grant", originJTI, strconv.Itoa(n)))
}

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
	// Tokens are Cognito's, with the secret of the app client that they were
	// issued to, sealed for the purpose SealGrant and ID.
	Tokens string

	CreatedAt time.Time
	// ExpiresAt is when Cognito's refresh token ends at the latest. Until then
	// the grant is kept, ended or not; the zero time is never.
	ExpiresAt time.Time
	// EndedAt is when the grant was ended; zero if it stands.
	EndedAt time.Time
}

// LogValue keeps hashes, tokens and who the user is out of logs.
func (g *Grant) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", g.ID), slog.String("client_id", g.ClientID))
}

// Standing reports whether there is something left to end: g has not been ended,
// or Cognito's tokens are still kept to be revoked.
func (g *Grant) Standing() bool { return g.EndedAt.IsZero() || g.Tokens != "" }

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
	// Refused is for a grant that has ended or expired, for what is no refresh
	// token of this grant, and for one sibling too many. It yields nothing and
	// ends nothing.
	VerdictRefused Verdict = iota
	// Rotate is for a live token: it is replaced.
	VerdictRotate
	// Sibling is for the token that was used last, within the ReuseWindow: one
	// more token is handed out, and those that stand stay.
	VerdictSibling
	// Replayed is for any other refresh token that names the grant: somebody
	// has kept an old one, so the grant ends (RFC 9700 §4.14.2).
	VerdictReplayed
)

// String returns the verdict in a word, for logs.
func (v Verdict) String() string {
	switch v {
	case VerdictRefused:
		return "refused"
	case VerdictRotate:
		return "rotate"
	case VerdictSibling:
		return "sibling"
	case VerdictReplayed:
		return "replayed"
	}
	return "verdict " + strconv.Itoa(int(v))
}

// Judge says what a presented refresh token is worth at the time now.
func (g *Grant) Verdict(tok credential.Token, now time.Time) Verdict {
	// A code names its grant too, and whoever has seen one could otherwise end
	// the grant with it.
	id, err := credential.GrantID(tok)
	if err != nil || id != g.ID || !strings.HasPrefix(tok.Reveal(), credential.RefreshTokenPrefix) {
		return VerdictRefused
	}
	if !g.EndedAt.IsZero() || !now.Before(g.ExpiresAt) {
		return VerdictRefused
	}
	live := false
	for _, h := range g.Live {
		live = h.Matches(tok) || live // compared with all, whichever it is
	}
	spent := g.Spent.Matches(tok)
	switch {
	case live:
		return VerdictRotate
	case !spent || !now.Before(g.SpentAt.Add(ReuseWindow)):
		return VerdictReplayed
	case len(g.Live) >= maxSiblings:
		return VerdictRefused
	}
	return VerdictSibling
}

// Rotated changes g for the use of tok, of the verdict Rotate or Sibling, that
// yields the token with the hash next. A Sibling does not prolong the
// ReuseWindow.
func (g *Grant) Rotated(v Verdict, tok credential.Token, next credential.Hash, now time.Time) {
	if v == VerdictSibling {
		g.Live = append(g.Live, next)
		return
	}
	g.Live = []credential.Hash{next}
	g.Spent, g.SpentAt = tok.Hash(), now
}
