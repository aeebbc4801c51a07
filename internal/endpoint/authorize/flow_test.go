package authorize

import (
	"net/http"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

func TestAllowGivesTheClientACode(t *testing.T) {
	w := newWorld(t)
	id := w.register("open", nil, webURI)
	b := w.browser()
	page := b.arrive(requestOf(id, webURI), "alice")
	wantPage(t, page, http.StatusOK, "claude.ai")
	for _, text := range []string{"alice", "Read your notes", "Notes", "Client"} {
		if !strings.Contains(page.body, text) {
			t.Errorf("the consent page does not say %q", text)
		}
	}
	a := b.decide(page, "allow")
	wantPage(t, a, http.StatusOK, "claude.ai")
	g := w.wantCode(a.target(t), webURI)
	if g.ClientID != id || g.User.Username != "alice" || strings.Join(g.Scopes, " ") != "notes/read" || g.Resource != notes ||
		w.codeOf(g).RedirectURI != webURI || w.codeOf(g).Challenge != broker.PKCEChallenge(verifier) || g.CodeUsed {
		t.Errorf("grant = %+v", g)
	}
	tokens := w.Tokens(g)
	if tokens.RefreshToken == "" || strings.Join(tokens.Scopes, " ") != "openid notes/read" {
		t.Errorf("tokens of the scopes %q; want openid notes/read and a refresh token", tokens.Scopes)
	}
}

// RFC 6749 §3.1.2: the query of a redirect URI is retained.
func TestARedirectURIWithAQuery(t *testing.T) {
	const uri = "https://app.example.com/cb?tenant=a%2Fb&empty="
	w := newWorld(t)
	u := w.allow(requestOf(w.register("asking", nil, uri), uri), "alice")
	if q := u.Query(); !strings.HasPrefix(u.String(), uri+"&code=") || q.Get("tenant") != "a/b" || q.Get("iss") != w.issuer || q.Get("state") != "the state & more" {
		t.Errorf("target = %s", u)
	}
}

func TestAPrivateUseScheme(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	page := b.arrive(requestOf(w.register("open", nil, appURI), appURI), "alice")
	wantPage(t, page, http.StatusOK, "com.example.app:")
	w.wantCode(b.decide(page, "allow").target(t), appURI)
}

func TestTheStateIsOptional(t *testing.T) {
	w := newWorld(t)
	u := w.allow(requestOf(w.register("asking", nil, webURI), webURI, "state", "-"), "alice")
	if u.Query().Has("state") || !u.Query().Has("code") {
		t.Errorf("target = %s, want a code and no state", u)
	}
}
