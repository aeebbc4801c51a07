package token_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// points lists the two ways in which an effect can fail.
var points = []fake.Point{fake.NotApplied, fake.ReplyLost}

func TestCodeRedemptionThatIsNotStoredCanBeRepeated(t *testing.T) {
	s := newStack(t)
	c := s.public()
	g, code := s.code(c)
	s.Store.FailNext("ReplaceGrant", 1, fake.NotApplied)
	s.as(c, "/token", codeForm(code)).want(503, "temporarily_unavailable")
	s.as(c, "/token", codeForm(code)).want(200, "")
	s.wantStands(g.ID)
}

func TestGrantIsReadAgainAfterALostReply(t *testing.T) {
	s := newStack(t)
	c := s.public()
	g, code := s.code(c)
	s.Store.FailNext("ReplaceGrant", 1, fake.ReplyLost)
	token := s.as(c, "/token", codeForm(code)).want(200, "").text("refresh_token")
	s.Store.FailNext("ReplaceGrant", 1, fake.ReplyLost)
	next := s.refreshed(c, token)
	if live := s.wantStands(g.ID).Live; len(live) != 1 || !live[0].Matches(credential.Presented(next)) {
		t.Errorf("%d refresh tokens are live, want only the one in the answer", len(live))
	}
	s.refreshed(c, next)
}

// If the write may have been applied and the grant cannot be read again, the
// refresh token that was sent is still valid or yields a sibling.
func TestRefreshCanBeRepeatedIfItsCommitIsNotKnown(t *testing.T) {
	for _, p := range points {
		t.Run(p.String(), func(t *testing.T) {
			s := newStack(t)
			c := s.public()
			g, first := s.authorized(c)
			s.Store.Reset()
			s.Store.FailCall("ReplaceGrant", 1, p)
			s.Store.FailCall("Grant", 2, fake.NotApplied)
			s.as(c, "/token", refreshForm(first.text("refresh_token"))).want(503, "temporarily_unavailable")
			next := s.refreshed(c, first.text("refresh_token"))
			s.refreshed(c, next)
			s.wantStands(g.ID)
		})
	}
}

// Each call of the stores fails once, in both ways, in each kind of request.
// The answer is a success or 503, and the client can repeat the request. After
// a success, of the first or the repeated request, the token in the answer
// works, and the stored grant agrees with it.
func TestRequestsSurviveEachFaultOfTheStore(t *testing.T) {
	type scene struct {
		s    *stack
		c    client
		form string
		path string
		auth string // instead of c's
		// check checks a successful answer and what is stored after it.
		check func(t *testing.T, a answer)
	}
	// tokens checks an answer with a refresh token of the grant g.
	tokens := func(s *stack, c client, id string) func(*testing.T, answer) {
		return func(t *testing.T, a answer) {
			t.Helper()
			next := credential.Presented(a.text("refresh_token"))
			g := s.wantStands(id)
			if !g.CodeUsed || !slices.Contains(g.Live, next.Hash()) {
				t.Errorf("the stored grant has its code used: %t, and the refresh token of the answer: %t; want both", g.CodeUsed, slices.Contains(g.Live, next.Hash()))
			}
			s.wantActive(a.text("access_token"), true)
			s.wantActive(s.as(c, "/token", refreshForm(next.Reveal())).want(200, "").text("access_token"), true)
		}
	}
	ended := func(s *stack, id string) func(*testing.T, answer) {
		return func(t *testing.T, _ answer) {
			t.Helper()
			s.wantEnded(id)
		}
	}
	scenes := []struct {
		name string
		set  func(s *stack) scene
	}{
		{"code", func(s *stack) scene {
			c := s.public()
			g, code := s.code(c)
			return scene{s, c, codeForm(code), "/token", "", tokens(s, c, g.ID)}
		}},
		{"refresh", func(s *stack) scene {
			c := s.register(dcr.AuthSecretBasic)
			g, a := s.authorized(c)
			return scene{s, c, refreshForm(a.text("refresh_token")), "/token", "", tokens(s, c, g.ID)}
		}},
		{"first client_credentials", func(s *stack) scene {
			c := s.machine()
			return scene{s, c, "grant_type=client_credentials&resource=" + notes, "/token", "", func(t *testing.T, a answer) {
				t.Helper()
				s.wantActive(a.text("access_token"), true)
				n := 0
				for g, err := range s.Inner.ListGrants(t.Context()) {
					if err != nil || g.ClientID != c.ClientID || g.Generation != c.Generation || !g.EndedAt.IsZero() {
						t.Errorf("stored grant %+v, %v; want one of %s that has not ended", g, err, c.ClientID)
					}
					n++
				}
				if n != 1 {
					t.Errorf("%d grants are stored, want 1", n)
				}
			}}
		}},
		{"revoke", func(s *stack) scene {
			c := s.public()
			g, a := s.authorized(c)
			return scene{s, c, "token=" + a.text("refresh_token"), "/revoke", "", ended(s, g.ID)}
		}},
		{"revoke an access token", func(s *stack) scene {
			c := s.public()
			g, a := s.authorized(c)
			return scene{s, c, "token=" + a.text("access_token"), "/revoke", "", ended(s, g.ID)}
		}},
		{"introspect", func(s *stack) scene {
			c := s.public()
			_, a := s.authorized(c)
			return scene{s, c, "token=" + a.text("access_token"), "/introspect", basic(notesID, notesSecret), func(t *testing.T, a answer) {
				t.Helper()
				if a.body["active"] != true || a.text("client_id") != c.ClientID {
					t.Errorf("introspection answers %s, want an active token of %s", a.raw, c.ClientID)
				}
			}}
		}},
	}
	send := func(x scene) answer {
		if x.auth != "" {
			return x.s.post(x.path, x.auth, x.form)
		}
		return x.s.as(x.c, x.path, x.form)
	}
	for _, tt := range scenes {
		// A first run finds out the calls.
		dry := tt.set(newStack(t))
		dry.s.Store.Reset()
		send(dry).want(200, "")
		for _, method := range dry.s.Store.Methods() {
			for n := range dry.s.Store.Calls(method) {
				for _, p := range points {
					t.Run(strings.Join([]string{tt.name, method, string(rune('1' + n)), p.String()}, "/"), func(t *testing.T) {
						x := tt.set(newStack(t))
						x.s.Store.Reset()
						x.s.Store.FailCall(method, n+1, p)
						a := send(x)
						if a.status != 200 {
							a.want(503, "temporarily_unavailable")
							a = send(x).want(200, "")
						}
						x.check(t, a)
					})
				}
			}
		}
	}
}

func TestReplayIsAnsweredAfterTheGrantHasEnded(t *testing.T) {
	for _, p := range points {
		t.Run(p.String(), func(t *testing.T) {
			s := newStack(t)
			c := s.public()
			g, first := s.authorized(c)
			root := first.text("refresh_token")
			s.refreshed(c, s.refreshed(c, root))
			s.Store.FailNext("ReplaceGrant", 1, p)
			a := s.as(c, "/token", refreshForm(root))
			if p == fake.NotApplied {
				a.want(503, "temporarily_unavailable")
				a = s.as(c, "/token", refreshForm(root))
			}
			a.want(400, "invalid_grant")
			s.wantEnded(g.ID)
		})
	}
}

func TestConsentThatCouldNotBeDeletedIsDeletedLater(t *testing.T) {
	s := newStack(t)
	c := s.public()
	g, first := s.authorized(c)
	s.Store.FailNext("DeleteConsent", 1, fake.NotApplied)
	s.as(c, "/revoke", "token="+first.text("refresh_token")).want(503, "temporarily_unavailable")
	s.as(c, "/token", refreshForm(first.text("refresh_token"))).want(400, "invalid_grant")
	s.wantEnded(g.ID)
}

// Other requests change the grant again and again.
func TestEndlessConflictIs503(t *testing.T) {
	s := newStack(t)
	c := s.public()
	_, first := s.authorized(c)
	s.use(s.writing(func(context.Context) error { return broker.ErrConflict }), s.up)
	s.serve()
	s.as(c, "/token", refreshForm(first.text("refresh_token"))).want(503, "temporarily_unavailable")
	s.as(c, "/revoke", "token="+first.text("refresh_token")).want(503, "temporarily_unavailable")
	s.start(s.Keys)
	s.refreshed(c, first.text("refresh_token"))
}

func TestUnreadableAppClientIs503(t *testing.T) {
	for _, p := range points {
		s := newStack(t)
		c := s.public()
		_, first := s.authorized(c)
		s.Store.FailNext("AppClient", 1, p)
		s.as(c, "/token", refreshForm(first.text("refresh_token"))).want(503, "temporarily_unavailable")
		s.refreshed(c, first.text("refresh_token"))
	}
}

func TestTokenIsIssuedEvenIfUseCannotBeRecorded(t *testing.T) {
	s := newStack(t)
	c := s.public()
	_, code := s.code(c)
	s.Store.FailNext("TouchRegistration", 1, fake.NotApplied)
	s.as(c, "/token", codeForm(code)).want(200, "")
	if !strings.Contains(s.log.String(), "last use not recorded") {
		t.Errorf("the log does not report that the use was not recorded:\n%s", s.log)
	}
}

func TestUnusedRegistrationIsConfirmedByItsFirstToken(t *testing.T) {
	s := newStack(t)
	c := s.register(dcr.AuthNone, func(r *broker.Registration) { r.ExpiresAt = s.Clock.Now().AddDate(0, 0, 7) })
	_, code := s.code(c)
	s.as(c, "/token", codeForm(code)).want(200, "")
	s.Clock.Advance(8 * 24 * time.Hour)
	if _, err := s.Inner.Registration(t.Context(), c.ClientID); errors.Is(err, broker.ErrNotFound) {
		t.Error("the registration has expired although it was used")
	}
}

// interfering is a store that calls do just before the first write of a grant.
func (s *stack) interfering(do func()) *memory.Store {
	var once sync.Once
	return s.Inner.Hooked(func(_ context.Context, operation string, apply func() error) error {
		if operation == "ReplaceGrant" {
			once.Do(do)
		}
		return apply()
	})
}

func TestGrantIsCheckedAgainAfterAConflict(t *testing.T) {
	change := func(f func(g *broker.Grant)) func(s *stack, id string) {
		return func(s *stack, id string) {
			g, err := s.Inner.Grant(s.T.Context(), id)
			if err == nil {
				f(g)
				err = s.Inner.ReplaceGrant(s.T.Context(), g)
			}
			if err != nil {
				s.T.Error(err)
			}
		}
	}
	tests := []struct {
		name string
		do   func(s *stack, id string)
		want int
	}{
		{"in a field that the checks do not read", change(func(g *broker.Grant) { g.User.Email = "new@example.com" }), 200},
		{"ended by an operator", func(s *stack, id string) {
			g, err := s.Inner.Grant(s.T.Context(), id)
			if err == nil {
				err = s.Ender(s.Inner, s.up).EndGrant(s.T.Context(), s.Keys, g)
			}
			if err != nil {
				s.T.Error(err)
			}
		}, 400},
		{"expired", func(s *stack, _ string) { s.Clock.Advance(31 * 24 * time.Hour) }, 400},
	}
	for _, tt := range tests {
		for _, kind := range []string{"code", "refresh token"} {
			t.Run(tt.name+"/"+kind, func(t *testing.T) {
				s := newStack(t)
				c := s.public()
				g, code := s.code(c)
				form := codeForm(code)
				if kind != "code" {
					form = refreshForm(s.as(c, "/token", form).text("refresh_token"))
				}
				s.use(s.interfering(func() { tt.do(s, g.ID) }), s.up)
				s.serve()
				code400 := ""
				if tt.want == 400 {
					code400 = "invalid_grant"
				}
				s.as(c, "/token", form).want(tt.want, code400)
			})
		}
	}
}

// A grant ends even if another request uses it at the same time.
func TestGrantEndsEvenIfItIsUsedAtTheSameTime(t *testing.T) {
	s := newStack(t)
	c := s.public()
	g, first := s.authorized(c)
	store := s.interfering(func() { s.refreshed(c, first.text("refresh_token")) })
	held := s.Grant(g.ID)
	if err := s.Ender(store, s.up).EndGrant(t.Context(), s.Keys, held); err != nil {
		t.Fatal(err)
	}
	s.wantEnded(g.ID)
}
