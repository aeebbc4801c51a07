package walk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
)

// browser is as much of one as signing in takes: cookies, redirects, a form with
// a password, a form that asks for consent, and a page that goes on by itself.
type browser struct {
	http               *http.Client
	out                *report
	username, password string
	// asked is whether a page asked for consent.
	asked bool
}

func newBrowser(base http.RoundTripper, out *report, username, password string) *browser {
	jar, _ := cookiejar.New(nil) // the error is always nil
	return &browser{
		http: &http.Client{
			Transport: base, Jar: jar,
			// Followed by hand, to show each.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		out: out, username: username, password: password,
	}
}

// maxHops is more than any sign-in needs.
const maxHops = 10

// visit opens the address and signs in, until it has been sent to the URI of the
// client and has gone there.
func (b *browser) visit(ctx context.Context, address, uri string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	var sent url.Values
	for range maxHops {
		page, err := b.load(req, sent)
		if err != nil {
			return err
		}
		if req.Method == http.MethodGet && isAt(req.URL.String(), uri) {
			if page.status != http.StatusOK {
				return fmt.Errorf("the client answered its redirect with %d", page.status)
			}
			return nil
		}
		switch {
		case page.location != nil:
			req, err = http.NewRequestWithContext(ctx, http.MethodGet, page.location.String(), nil)
			sent = nil
		case page.onward() != "":
			req, err = http.NewRequestWithContext(ctx, http.MethodGet, page.onward(), nil)
			sent = nil
		default:
			req, sent, err = b.answer(ctx, page, sent != nil)
		}
		if err != nil {
			return err
		}
	}
	return fmt.Errorf("more than %d redirects", maxHops)
}

// isAt reports whether address is uri with parameters.
func isAt(address, uri string) bool {
	at, _, _ := strings.Cut(address, "?")
	return at == uri
}

// page is an answer to the browser.
type page struct {
	status   int
	address  *url.URL
	location *url.URL // nil unless it is a redirect
	html     string
}

// load makes a request. If it sends a form, sent is what is in it.
func (b *browser) load(req *http.Request, sent url.Values) (*page, error) {
	b.out.line(">", req.Method+" "+withoutQuery(req.URL))
	b.out.query(sent, slices.Sorted(maps.Keys(sent))...)
	res, err := b.http.Do(req)
	if e, ok := errors.AsType[*url.Error](err); ok {
		e.URL = withoutQuery(req.URL) // which may hold a code
	}
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	html, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err != nil {
		return nil, err
	}
	p := &page{status: res.StatusCode, address: req.URL, html: string(html)}
	if res.StatusCode < 300 || res.StatusCode > 399 {
		b.out.line("<", res.Status)
		return p, nil
	}
	if p.location, err = res.Location(); err != nil {
		return nil, fmt.Errorf("%s answered %s: %w", withoutQuery(req.URL), res.Status, err)
	}
	b.out.line("<", res.Status+" to "+withoutQuery(p.location))
	return p, nil
}

// answer makes the request that sends the page's form, filled in, and says what
// is in it: the sign-in form, or the one that asks for consent.
func (b *browser) answer(ctx context.Context, p *page, afterForm bool) (*http.Request, url.Values, error) {
	f, signIn := signInForm(p.html)
	consent := false
	if !signIn {
		f, consent = consentForm(p.html)
	}
	switch {
	case signIn && afterForm:
		return nil, nil, fmt.Errorf("the sign-in did not go on after the password, with status %d: %s", p.status, p.text())
	case signIn && f.username == "":
		return nil, nil, errors.New("the sign-in form has a field for a password and none for a username")
	case signIn:
		f.fields.Set(f.username, b.username)
		f.fields.Set(f.password, b.password)
	case consent:
		b.asked = true
		b.out.ok("the broker asks before it lets the client in; we allow it")
		f.fields.Set("decision", "allow")
	default:
		return nil, nil, fmt.Errorf("the page at %s (status %d) has no form with a password; it says: %s", withoutQuery(p.address), p.status, p.text())
	}
	to, err := p.address.Parse(f.action)
	if err != nil {
		return nil, nil, fmt.Errorf("the action of the form: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), strings.NewReader(f.fields.Encode()))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req, f.fields, nil
}
