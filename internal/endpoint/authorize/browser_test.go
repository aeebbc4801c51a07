package authorize

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/adapter"
	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// browser is the browser of a user. It stores cookies and follows no redirects.
type browser struct {
	w       *world
	client  *http.Client
	cognito *emulator.Browser
	asked   atomic.Value // the address to which the broker last redirected for the consent page
}

func (w *world) browser() *browser {
	jar, _ := cookiejar.New(nil)
	client := adapter.WithoutRedirects(w.server.Client())
	client.Jar = jar
	return &browser{w: w, client: client, cognito: emulator.NewBrowser()}
}

// answer is a response to a browser.
type answer struct {
	status   int
	header   http.Header
	location string
	body     string
}

func (b *browser) do(r *http.Request) answer {
	b.w.T.Helper()
	resp, err := b.client.Do(r)
	if err != nil {
		b.w.T.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.w.T.Fatal(err)
	}
	a := answer{resp.StatusCode, resp.Header, resp.Header.Get("Location"), string(body)}
	if a.asks() {
		b.asked.Store(a.location)
	}
	return a
}

// asks reports whether a redirects to a consent page.
func (a answer) asks() bool {
	u, err := url.Parse(a.location)
	return err == nil && a.status == http.StatusSeeOther && u.Host == "" && u.Path == "/consent" && len(u.Query()) == 1 && u.Query().Has("transaction")
}

// consent opens the consent page to which the broker last redirected, or one
// without a transaction.
func (b *browser) consent() answer {
	b.w.T.Helper()
	if to, ok := b.asked.Load().(string); ok {
		return b.get(to)
	}
	return b.get("/consent")
}

// get opens a path of the broker or a complete URL.
func (b *browser) get(to string) answer {
	b.w.T.Helper()
	if strings.HasPrefix(to, "/") {
		to = b.w.issuer + to
	}
	r := must.Request(b.w.T, http.MethodGet, to, "")
	return b.do(r)
}

// authorize opens /authorize.
func (b *browser) authorize(v url.Values) answer {
	b.w.T.Helper()
	return b.get("/authorize?" + v.Encode())
}

// signIn signs in on Cognito's pages, the target of a's redirect, and returns
// the URL of the callback.
func (b *browser) signIn(a answer, user string) string {
	b.w.T.Helper()
	if a.status != http.StatusSeeOther || !strings.HasPrefix(a.location, b.w.cognito.URL) {
		b.w.T.Fatalf("not sent to Cognito: status %d, location %q\n%s", a.status, a.location, main(a.body))
	}
	return b.w.cognito.SignIn(b.cognito, a.location, user)
}

// arrive signs in and returns the consent page.
func (b *browser) arrive(v url.Values, user string) answer {
	b.w.T.Helper()
	a := b.get(b.signIn(b.authorize(v), user))
	if !a.asks() {
		b.w.T.Fatalf("callback: status %d, location %q, want the consent page", a.status, a.location)
	}
	return b.get(a.location)
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// form returns the fields of the form on a page, with changes: name, value and so
// on. The value "-" removes a field.
func (a answer) form(t testing.TB, changes ...string) url.Values {
	t.Helper()
	v := make(url.Values)
	for _, m := range hiddenField.FindAllStringSubmatch(a.body, -1) {
		v.Add(m[1], m[2])
	}
	if a.status >= 500 || len(v) == 0 {
		t.Fatalf("no form: status %d\n%s", a.status, a.body)
	}
	for i := 0; i < len(changes); i += 2 {
		v.Set(changes[i], changes[i+1])
		if changes[i+1] == "-" {
			v.Del(changes[i])
		}
	}
	return v
}

// decide presses a button on the consent page.
func (b *browser) decide(page answer, decision string) answer {
	b.w.T.Helper()
	return b.post(page.form(b.w.T, "decision", decision))
}

func (b *browser) post(form url.Values) answer {
	b.w.T.Helper()
	r := must.Request(b.w.T, http.MethodPost, b.w.issuer+"/authorize", form.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(r)
}

var pageLink = regexp.MustCompile(`<a class="button" rel="noreferrer" href="([^"]*)"`)

// target returns the link on the page: to the client, or to Cognito's sign-out.
func (a answer) target(t testing.TB) *url.URL {
	t.Helper()
	m := pageLink.FindStringSubmatch(a.body)
	if m == nil {
		t.Fatalf("no link: status %d, location %q\n%s", a.status, a.location, a.body)
	}
	u := must.ParseURL(t, html.UnescapeString(m[1]))
	return u
}

// at returns the target of a redirect.
func (a answer) at(t testing.TB) *url.URL {
	t.Helper()
	u, err := url.Parse(a.location)
	if err != nil || a.status != http.StatusSeeOther {
		t.Fatalf("status %d, location %q, want a redirect\n%s", a.status, a.location, a.body)
	}
	return u
}

// wantPage fails unless a is a page with the status and the text, and not a
// redirect.
func wantPage(t testing.TB, a answer, status int, text string) {
	t.Helper()
	if a.status != status || a.location != "" || !strings.Contains(a.body, text) {
		t.Errorf("status %d, location %q, want %d and a page with %q\n%s", a.status, a.location, status, text, main(a.body))
	}
	if got := a.header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("Content-Type = %q, want HTML", got)
	}
	if got := a.header.Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("Access-Control-Allow-Origin = %q on a page", got)
	}
}

func main(body string) string {
	_, after, _ := strings.Cut(body, "<main>")
	return after
}
