package authorize

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
)

// The user names of a pool as template.yaml makes it are UUIDs. The address is in
// the ID token or at userInfo, and costs the client's token no scope.
func TestPeopleAreNamedByTheirVerifiedAddress(t *testing.T) {
	for name, tt := range map[string]struct {
		pool     emulator.Config
		userInfo int // calls
	}{
		"from the ID token": {emulator.Config{EmailUsernames: true}, 0},
		"from userInfo":     {emulator.Config{EmailUsernames: true, BareIDTokens: true}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(s *setup) { s.pool = tt.pool })
			id := w.register("asking", nil, webURI)
			b := w.browser()
			begun := b.authorize(requestOf(id, webURI))
			if to, err := url.Parse(begun.location); err != nil || to.Query().Get("scope") != "openid notes/read" {
				t.Errorf("Cognito is asked for %q, %v, want the client's scopes and openid", begun.location, err)
			}
			page := b.get(b.get(b.signIn(begun, "alice")).location)
			g := w.wantCode(b.decide(page, "allow").target(t), webURI)
			if g.User.Email != "alice@example.com" || g.User.Username != g.User.Sub {
				t.Errorf("user %+v, want the address, and the sub as the user name", g.User)
			}
			if !strings.Contains(page.body, "alice@example.com") || strings.Contains(page.body, g.User.Sub) {
				t.Errorf("the page does not name the user by the address alone:\n%s", page.body)
			}
			if got := w.Tokens(g).Scopes; !slices.Equal(got, []string{"openid", "notes/read"}) {
				t.Errorf("the token has the scopes %q, want openid and the one that was requested", got)
			}
			if got := w.cognito.Calls("userInfo"); got != tt.userInfo {
				t.Errorf("%d calls of userInfo, want %d", got, tt.userInfo)
			}
		})
	}
}

func TestWithoutAnAddressTheUserNameIsShown(t *testing.T) {
	for _, effect := range []emulator.Effect{emulator.FailBefore, emulator.FailAfter, emulator.CutBefore, emulator.CutAfter, emulator.Throttle} {
		w := newWorld(t, func(s *setup) { s.pool = emulator.Config{BareIDTokens: true} })
		w.cognito.Faults().Inject("userInfo", emulator.Fault{Effect: effect})
		b := w.browser()
		page := b.arrive(requestOf(w.register("asking", nil, webURI), webURI), "alice")
		wantPage(t, page, http.StatusOK, "alice")
		if strings.Contains(page.body, "@example.com") {
			t.Errorf("effect %v: the page has an address, want the user name", effect)
		}
		if g := w.wantCode(b.decide(page, "allow").target(t), webURI); g.User.Email != "" || g.User.Username != "alice" {
			t.Errorf("effect %v: user %+v, want alice without an address", effect, g.User)
		}
		// Go repeats a GET once if the connection ends without an answer.
		if n := w.cognito.Calls("userInfo"); n < 1 || n > 2 {
			t.Errorf("effect %v: %d calls of userInfo, want 1", effect, n)
		}
	}
}

func TestAnAddressThatIsNotVerifiedIsNotShown(t *testing.T) {
	for _, bare := range []bool{false, true} {
		w := newWorld(t, func(s *setup) { s.pool = emulator.Config{EmailUsernames: true, BareIDTokens: bare} })
		page := w.browser().arrive(requestOf(w.register("asking", nil, webURI), webURI), "bob")
		wantPage(t, page, http.StatusOK, "claude.ai")
		if strings.Contains(page.body, "bob@example.com") {
			t.Errorf("ID tokens without attributes %t: the page has an address that is not verified", bare)
		}
	}
}
