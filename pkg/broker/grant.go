package broker

import (
	"encoding/json"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
)

const (
	// CodeLifetime is how long an authorization code is valid (RFC 6749 §4.1.2:
	// at most ten minutes).
	CodeLifetime = 5 * time.Minute
	// ReuseWindow is how long a refresh token that has been used yields one
	// more refresh token, for lost replies and parallel refreshes.
	ReuseWindow = 60 * time.Second
	// MaxGrants is the largest number of grants from one sign-in, see GrantID.
	MaxGrants = 4
	// SealGrant is the purpose for which SealedTokens.Sealed is sealed.
	SealGrant = "grant"
	// maxSiblings is how many refresh tokens of a grant can be live at one
	// time.
	maxSiblings = 8
)

// GrantID returns the id of the n-th grant, from 0, of the sign-in with this
// origin_jti. The grant of one of Cognito's tokens is therefore found without
// an index: try n = 0, then 1, and so on, until there is no grant. A sign-in
// seldom has a second grant.
func GrantID(ring *seal.Ring, originJTI string, n int) string {
	return credential.DerivedID(ring.MAC("grant", originJTI, strconv.Itoa(n)))
}

// Grant is what a user has allowed a client. With client_credentials (RFC 6749
// §4.4) there is no user: the client has the grant in its own name, and User and
// TokensID are zero.
//
// A refresh writes the Grant, so it is kept small: at most 1 KB unless several
// refresh tokens are live. Cognito's tokens and the code, which have several KB
// and seldom change, are in SealedTokens.
type Grant struct {
	// ID is part of the authorization code and of every refresh token; see
	// GrantID.
	ID string `json:"-" store:"key"`
	// Version is 1 for a new record and grows by one with each replacement. The
	// store sets it.
	Version int64 `json:"-" store:"version"`

	// ClientID is the client to which the grant was given.
	ClientID string `json:"client"`
	// Generation is the generation of the client's registration. If the
	// registration has another generation now, or is gone, the grant is no
	// longer valid.
	Generation string `json:"gen"`
	// User is the user who gave the grant, without Groups; zero with
	// client_credentials.
	User User `json:"user,omitzero"`
	// Scopes are the scopes that the user allowed.
	Scopes []string `json:"scopes,omitempty"`
	// Resource is the URL of the protected resource for which the grant is (RFC
	// 8707).
	Resource string `json:"resource,omitempty"`

	// CodeUsed is whether the authorization code has been exchanged for tokens.
	CodeUsed bool `json:"code_used,omitzero"`
	// Live are the hashes of the refresh tokens that can be used, newest last.
	// None of them has been used.
	Live []credential.Hash `json:"live,omitempty"`
	// Spent is the hash of the refresh token that was used last. Its use issued
	// the tokens in Live.
	Spent credential.Hash `json:"spent,omitzero"`
	// SpentAt is when Spent was first used.
	SpentAt time.Time `json:"-" store:"spent_at"`

	// ConsentKey is the key of the consent that belongs to the grant, whether or
	// not it is stored. It is empty with client_credentials.
	ConsentKey string `json:"consent,omitempty"`

	// AppClient is the key of the app client that Cognito's tokens belong to.
	AppClient string `json:"app,omitempty"`
	// CognitoID is the id of that app client at Cognito.
	CognitoID string `json:"app_id,omitempty"`
	// TokensID is the id of the grant's SealedTokens, empty with client_credentials.
	// It stays when they are gone, because it tells which transaction made the grant.
	TokensID string `json:"tokens,omitempty"`
	// TokensGone is set after Cognito's tokens of an ended grant have been revoked
	// and deleted.
	TokensGone bool `json:"tokens_gone,omitzero"`

	// CreatedAt is when the grant was made.
	CreatedAt time.Time `json:"-" store:"created_at"`
	// ExpiresAt is the latest time at which Cognito's refresh token expires. The
	// record is stored until then, even if the grant has ended. With the zero
	// time the record never expires, but Verdict refuses its tokens.
	ExpiresAt time.Time `json:"-" store:"expires_at"`
	// EndedAt is when the grant was ended; zero if it was not.
	EndedAt time.Time `json:"ended_at,omitzero"`
	// Unknown has the members of the stored record that this program does not
	// know, because a newer one wrote them: a JSON object, or nil. A store writes
	// them back.
	Unknown json.RawMessage `json:"-" store:"unknown"`
}

// LogValue logs the ids of grant and client, and neither hashes, tokens nor the
// user.
func (g *Grant) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", g.ID), slog.String("client_id", g.ClientID))
}

// Unfinished reports whether there is something left to end: g has not been
// ended, or Cognito's tokens are still stored and have to be revoked.
func (g *Grant) Unfinished() bool {
	return g.EndedAt.IsZero() || g.TokensID != "" && !g.TokensGone
}

// Clone returns a copy that shares no memory with g.
func (g *Grant) Clone() *Grant {
	c := *g
	c.Scopes = slices.Clone(g.Scopes)
	c.Live = slices.Clone(g.Live)
	c.User.Groups = slices.Clone(g.User.Groups)
	c.Unknown = slices.Clone(g.Unknown)
	return &c
}

// Verdict is the decision about a presented refresh token.
type Verdict int

const (
	// VerdictForeign means that the token was never a refresh token of the
	// grant. It must not change the grant: an attacker who has seen the grant's
	// code can make a text that only looks like one.
	VerdictForeign Verdict = iota
	// VerdictRefused means that the token is a refresh token of the grant but
	// the broker issues no tokens for it: the grant has ended or expired, or too
	// many tokens are live.
	VerdictRefused
	// VerdictRotate means that the token is live: a new refresh token replaces
	// it.
	VerdictRotate
	// VerdictSibling means that the token was the last one used, within the
	// ReuseWindow: one more refresh token is issued, and the live ones stay
	// live.
	VerdictSibling
	// VerdictReplayed means that the token is an older refresh token of the
	// grant. The client or a thief has kept it, so the grant ends (RFC 9700
	// §4.14.2).
	VerdictReplayed
)

// String returns the verdict as one word, for logs.
func (v Verdict) String() string {
	switch v {
	case VerdictForeign:
		return "foreign"
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

// Verdict returns the decision about a presented refresh token at the time now.
// keys derive the grant's refresh tokens. Verdict changes nothing; see Rotated.
func (g *Grant) Verdict(tok credential.Token, keys credential.Keys, now time.Time) Verdict {
	// An authorization code contains the grant's id too. Only refresh tokens
	// count, or an attacker who has seen a code could end the grant with it.
	id, err := credential.GrantID(tok)
	if err != nil || id != g.ID || !strings.HasPrefix(tok.Reveal(), credential.RefreshTokenPrefix) {
		return VerdictForeign
	}
	v := g.verdictByHash(tok, now)
	if (v == VerdictReplayed || v == VerdictRefused) && !credential.MadeRefreshToken(tok, g.ID, keys) {
		return VerdictForeign
	}
	return v
}

// verdictByHash is the decision about a token that names g. The grant stores no
// hash of its older refresh tokens, so an unknown token is VerdictReplayed here.
func (g *Grant) verdictByHash(tok credential.Token, now time.Time) Verdict {
	if !g.EndedAt.IsZero() || !now.Before(g.ExpiresAt) {
		return VerdictRefused
	}
	live := false
	for _, h := range g.Live {
		live = h.Matches(tok) || live // compares all, so time shows nothing
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

// Rotated changes g after a use of tok that had the verdict VerdictRotate or
// VerdictSibling and issued the refresh token with the hash next. A sibling
// does not extend the ReuseWindow.
func (g *Grant) Rotated(v Verdict, tok credential.Token, next credential.Hash, now time.Time) {
	if v == VerdictSibling {
		g.Live = append(g.Live, next)
		return
	}
	g.Live = []credential.Hash{next}
	g.Spent, g.SpentAt = tok.Hash(), now
}
