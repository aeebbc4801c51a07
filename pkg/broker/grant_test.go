package broker_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

var grantStart = time.Date(2030, time.March, 1, 12, 0, 0, 0, time.UTC)

// newGrant returns a grant with one unused refresh token, and the token.
func newGrant() (*broker.Grant, credential.Token) {
	g := &broker.Grant{ID: credential.NewID(), CreatedAt: grantStart, ExpiresAt: grantStart.AddDate(0, 0, 30)}
	tok := credential.NewRefreshToken(g.ID, testRing)
	g.Live = []credential.Hash{tok.Hash()}
	return g, tok
}

// use presents a token as POST /token does, and returns the verdict and the new
// token, if there is one.
func use(g *broker.Grant, tok credential.Token, now time.Time) (broker.Verdict, credential.Token) {
	v := g.Verdict(tok, testRing, now)
	switch v {
	case broker.VerdictRotate, broker.VerdictSibling:
		next := credential.NewRefreshToken(g.ID, testRing)
		g.Rotated(v, tok, next.Hash(), now)
		return v, next
	case broker.VerdictReplayed:
		g.EndedAt = now
	}
	return v, credential.Token{}
}

// Each row is a sequence of uses. A step presents a token at a time: token 0 is
// the first one, token n the one that the n-th use issued.
func TestGrant_refresh_tokens(t *testing.T) {
	type step struct {
		at    time.Duration
		token int
		want  broker.Verdict
	}
	const window = broker.ReuseWindow
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"each use rotates", []step{
			{0, 0, broker.VerdictRotate}, {time.Hour, 1, broker.VerdictRotate}, {48 * time.Hour, 2, broker.VerdictRotate},
		}},
		{"a lost reply: the previous token yields a sibling", []step{
			{0, 0, broker.VerdictRotate}, {time.Second, 0, broker.VerdictSibling}, {time.Hour, 2, broker.VerdictRotate},
		}},
		{"both siblings are live until one is used: the first", []step{
			{0, 0, broker.VerdictRotate}, {0, 0, broker.VerdictSibling}, {time.Hour, 1, broker.VerdictRotate}, {2 * time.Hour, 2, broker.VerdictReplayed},
		}},
		{"both siblings are live until one is used: the second", []step{
			{0, 0, broker.VerdictRotate}, {0, 0, broker.VerdictSibling}, {time.Hour, 2, broker.VerdictRotate}, {2 * time.Hour, 1, broker.VerdictReplayed},
		}},
		{"the window is open for 60 seconds", []step{
			{0, 0, broker.VerdictRotate}, {window - time.Nanosecond, 0, broker.VerdictSibling},
		}},
		{"the window closes after 60 seconds", []step{
			{0, 0, broker.VerdictRotate}, {window, 0, broker.VerdictReplayed},
		}},
		{"a sibling does not extend the window", []step{
			{0, 0, broker.VerdictRotate}, {window / 2, 0, broker.VerdictSibling}, {window, 0, broker.VerdictReplayed},
		}},
		{"the token before the previous one is a replay at once", []step{
			{0, 0, broker.VerdictRotate}, {0, 1, broker.VerdictRotate}, {0, 0, broker.VerdictReplayed},
		}},
		{"after a replay the live token is refused", []step{
			{0, 0, broker.VerdictRotate}, {window, 0, broker.VerdictReplayed}, {window, 1, broker.VerdictRefused}, {window, 0, broker.VerdictRefused},
		}},
		{"the use of a sibling opens a new window", []step{
			{0, 0, broker.VerdictRotate}, {0, 0, broker.VerdictSibling}, {time.Hour, 2, broker.VerdictRotate}, {time.Hour, 2, broker.VerdictSibling},
			{time.Hour, 0, broker.VerdictReplayed},
		}},
		{"the grant expires", []step{
			{30*24*time.Hour - time.Nanosecond, 0, broker.VerdictRotate}, {30 * 24 * time.Hour, 1, broker.VerdictRefused},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g, first := newGrant()
			tokens := []credential.Token{first}
			for i, s := range tt.steps {
				got, next := use(g, tokens[s.token], grantStart.Add(s.at))
				if got != s.want {
					t.Fatalf("use %d, of token %d after %v: got %v, want %v", i+1, s.token, s.at, got, s.want)
				}
				tokens = append(tokens, next)
			}
		})
	}
}

func TestVerdict_refuses_without_ending_the_grant(t *testing.T) {
	g, tok := newGrant()
	ended := g.Clone()
	ended.EndedAt = grantStart
	eternal := g.Clone()
	eternal.ExpiresAt = time.Time{} // not set, by mistake
	code := credential.DerivedAuthorizationCode("secret", g.ID)
	withCode := g.Clone()
	withCode.Live = append(withCode.Live, code.Hash())
	older := credential.NewRefreshToken(g.ID, testRing)
	forged := credential.Presented(credential.RefreshTokenPrefix + g.ID + credential.NewID() + credential.NewID())
	for _, tt := range []struct {
		name  string
		grant *broker.Grant
		token credential.Token
		want  broker.Verdict
	}{
		{"an ended grant", ended, tok, broker.VerdictRefused},
		{"an ended grant and an older token", ended, older, broker.VerdictRefused},
		{"a grant without expiry", eternal, tok, broker.VerdictRefused},
		{"a forged token", g, forged, broker.VerdictForeign},
		{"an ended grant and a forged token", ended, forged, broker.VerdictForeign},
		{"a token made with other keys", g, credential.NewRefreshToken(g.ID, newRing(t)), broker.VerdictForeign},
		{"a token of another grant", g, credential.NewRefreshToken(credential.NewID(), testRing), broker.VerdictForeign},
		{"a code of the grant", g, code, broker.VerdictForeign},
		{"a code among the refresh tokens", withCode, code, broker.VerdictForeign},
		{"no token", g, credential.Token{}, broker.VerdictForeign},
		{"a refresh token without its secret", g, credential.Presented("dcr_rt_" + g.ID), broker.VerdictForeign},
	} {
		if got := tt.grant.Verdict(tt.token, testRing, grantStart); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	if got := g.Verdict(older, testRing, grantStart); got != broker.VerdictReplayed {
		t.Errorf("an older refresh token: got %v, want %v", got, broker.VerdictReplayed)
	}
}

// Few tokens are live at a time, whatever the client does. A client that
// presents the same token many times within the window keeps its newest token.
func TestGrant_keeps_few_siblings(t *testing.T) {
	g, tok := newGrant()
	_, newest := use(g, tok, grantStart)
	for i := range 100 {
		v, next := use(g, tok, grantStart.Add(time.Second))
		switch {
		case v == broker.VerdictSibling:
			newest = next
		case v != broker.VerdictRefused:
			t.Fatalf("use %d within the window: got %v, want %v or %v", i+2, v, broker.VerdictSibling, broker.VerdictRefused)
		}
		if len(g.Live) > 8 {
			t.Fatalf("after %d uses: %d live tokens, want at most 8", i+2, len(g.Live))
		}
	}
	if v := g.Verdict(newest, testRing, grantStart.Add(time.Hour)); v != broker.VerdictRotate {
		t.Errorf("the newest sibling: got %v, want %v", v, broker.VerdictRotate)
	}
}

// The client uses the tokens that it received in random order at random times.
func TestGrant_holds_for_any_client(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 0))
		g, first := newGrant()
		tokens, now := []credential.Token{first}, grantStart
		for i := range 40 {
			now = now.Add(time.Duration(r.IntN(40)) * time.Second)
			tok := tokens[len(tokens)-1-r.IntN(min(4, len(tokens)))]
			before := g.Clone()
			v, next := use(g, tok, now)
			at := fmt.Sprintf("seed %d, use %d, %v", seed, i, v)
			if len(g.Live) < 1 || len(g.Live) > 8 {
				t.Fatalf("%s: %d live tokens, want 1 to 8", at, len(g.Live))
			}
			if len(slices.Compact(slices.SortedFunc(slices.Values(g.Live), compare))) != len(g.Live) {
				t.Fatalf("%s: a token is live twice", at)
			}
			wasLive := slices.Contains(before.Live, tok.Hash())
			switch v {
			case broker.VerdictRotate, broker.VerdictSibling:
				tokens = append(tokens, next)
				if wasLive != (v == broker.VerdictRotate) {
					t.Fatalf("%s of a token that was live: %t", at, wasLive)
				}
				if v := g.Verdict(next, testRing, now); v != broker.VerdictRotate {
					t.Fatalf("%s: the new token: got %v, want %v", at, v, broker.VerdictRotate)
				}
				if v := g.Verdict(tok, testRing, now); v != broker.VerdictSibling && len(g.Live) < 8 {
					t.Fatalf("%s: the same token again at once: got %v, want %v", at, v, broker.VerdictSibling)
				}
			case broker.VerdictReplayed:
				if wasLive {
					t.Fatalf("%s of a live token", at)
				}
			}
			if v == broker.VerdictReplayed {
				break
			}
		}
	}
}

func compare(a, b credential.Hash) int { return bytes.Compare(a[:], b[:]) }

func TestRotated_changes_no_clone(t *testing.T) {
	g, tok := newGrant()
	_, _ = use(g, tok, grantStart)
	g.Live = slices.Grow(g.Live, 8) // spare capacity, which an append would use
	before := g.Clone()
	a, b := g.Clone(), g.Clone()
	_, inA := use(a, tok, grantStart)
	_, inB := use(b, tok, grantStart)
	if !a.Live[1].Matches(inA) || !b.Live[1].Matches(inB) || !slices.Equal(g.Live, before.Live) {
		t.Error("a sibling in one copy of the grant shows in another")
	}
}

func TestGrantID(t *testing.T) {
	ring := newRing(t)
	jti := "0e0a5a5e-1111-4222-8333-444455556666"
	seen := make(map[string]string)
	for _, tt := range []struct {
		name string
		ring *seal.Ring
		jti  string
		n    int
	}{
		{"the first", ring, jti, 0},
		{"the second", ring, jti, 1},
		{"the eleventh", ring, jti, 10},
		{"another sign-in", ring, jti[1:], 0},
		{"a sign-in that looks like the second", ring, jti + "1", 0},
		{"none", ring, "", 0},
		{"other keys", newRing(t), jti, 0},
	} {
		id := broker.GrantID(tt.ring, tt.jti, tt.n)
		if was, ok := seen[id]; ok {
			t.Errorf("%s has the id of %s", tt.name, was)
		}
		seen[id] = tt.name
		if again := broker.GrantID(tt.ring, tt.jti, tt.n); again != id {
			t.Errorf("%s: got %q and then %q, want the same", tt.name, id, again)
		}
		for _, tok := range []credential.Token{credential.NewRefreshToken(id, testRing), credential.DerivedAuthorizationCode("secret", id)} {
			if got, err := credential.GrantID(tok); err != nil || got != id {
				t.Errorf("%s: a token names %q, error %v, want %q", tt.name, got, err, id)
			}
		}
	}
}

// testRing has the keys with which refresh tokens are made.
var testRing = func() *seal.Ring {
	ring, err := seal.Parse(seal.Generate())
	if err != nil {
		panic(err)
	}
	return ring
}()

func newRing(t *testing.T) *seal.Ring {
	t.Helper()
	ring := fake.Ring(t)
	return ring
}

func TestRecords_are_logged_without_secrets_and_personal_data(t *testing.T) {
	user := broker.User{Sub: "the-sub", Username: "hidden-name", Email: "hidden@example.com", Groups: []string{"hidden-group"}}
	hash := credential.NewRefreshToken(credential.NewID(), testRing).Hash()
	for _, record := range []slog.LogValuer{
		&broker.Transaction{Key: hash, ClientID: "shown", User: user, State: "hidden-state", Tokens: []byte("k1.hidden")},
		&broker.SealedTokens{ID: "shown", Code: broker.AuthorizationCode{Hash: hash, RedirectURI: "https://hidden"}, Sealed: []byte("k1.hidden")},
		&broker.Grant{ID: "shown", Live: []credential.Hash{hash}, Spent: hash, User: user, TokensID: "hidden"},
		&broker.Consent{ClientID: "shown", Sub: "the-sub", Key: "hidden-key"},
		user,
	} {
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "record", record)
		got := log.String()
		if strings.Contains(got, "hidden") || strings.Contains(got, hash.String()) {
			t.Errorf("%T: got %s, want nothing hidden in it", record, got)
		}
		if !strings.Contains(got, "shown") && !strings.Contains(got, "the-sub") {
			t.Errorf("%T: got %s, want the id of the record in it", record, got)
		}
	}
}
