// Package signin does what a person and a browser do with an authorization URL:
// it follows redirects, keeps cookies, fills in the form with a password,
// decides on the broker's consent page, and follows pages that go on by
// themselves, until it is sent to the client's redirect URI.
//
// Left out: pages that need a script, such as those of Cognito's managed login
// version 2, and second factors.
package signin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
)

// What can be decided on the consent page.
const (
	Allow  = "allow"
	Cancel = "cancel"
)

// Browser is the browser of one person. Cookies stay from one visit to the
// next. It is not safe for concurrent use.
type Browser struct {
	// Transport makes the requests. Optional; default: http.DefaultTransport.
	Transport http.RoundTripper
	// Username and Password are what a sign-in form is filled in with.
	Username string
	Password string
	// Decide says what is decided on a consent page, Allow or Cancel, or returns
	// an error, which ends the visit. Optional; default: Allow.
	Decide func(*Page) (string, error)
	// Sent is told of each request before it is made; form is what it sends, nil
	// for a GET. Optional.
	Sent func(req *http.Request, form url.Values)
	// Answered is told of each answer; the body is not to be read. Optional.
	Answered func(*http.Response)

	jar http.CookieJar
}

// StuckError says that a page leads nowhere: it has no form with a password,
// does not ask for consent, and does not go on by itself.
type StuckError struct{ Page *Page }

func (e *StuckError) Error() string {
	return fmt.Sprintf("the page at %s (status %d) has no form with a password; it says: %s", WithoutQuery(e.Page.Address), e.Page.Status, e.Page.Text(300))
}

const (
	// maxHops is more than any sign-in needs.
	maxHops = 15
	// maxPage is the most of a page that is read.
	maxPage = 1 << 20
)

// Visit opens address and does what the pages ask for until it is sent to uri,
// a redirect URI without query. It returns where it was sent, which it does not
// open. The error is a *StuckError if a page leads nowhere.
func (b *Browser) Visit(ctx context.Context, address, uri string) (*url.URL, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	var form url.Values
	for range maxHops {
		if before, _, _ := strings.Cut(req.URL.String(), "?"); before == uri && req.Method == http.MethodGet {
			return req.URL, nil
		}
		page, err := b.load(req, form)
		if err != nil {
			return nil, err
		}
		if to := page.onward(); to != "" {
			form = nil
			req, err = http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
		} else {
			req, form, err = b.answer(ctx, page, form)
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("more than %d pages and redirects", maxHops)
}

// Open opens address and returns the page, or the redirect, that is there.
func (b *Browser) Open(ctx context.Context, address string) (*Page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	return b.load(req, nil)
}

// load makes a request. If it sends a form, form is what is in it.
func (b *Browser) load(req *http.Request, form url.Values) (*Page, error) {
	if b.jar == nil {
		b.jar, _ = cookiejar.New(nil) // the error is always nil
	}
	if b.Sent != nil {
		b.Sent(req, form)
	}
	// Redirects are followed by hand, to show each.
	client := &http.Client{Transport: b.Transport, Jar: b.jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if e, ok := errors.AsType[*url.Error](err); ok {
		e.URL = WithoutQuery(req.URL) // which may hold a code
	}
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if b.Answered != nil {
		b.Answered(res)
	}
	html, err := io.ReadAll(io.LimitReader(res.Body, maxPage))
	if err != nil {
		return nil, err
	}
	p := &Page{Status: res.StatusCode, Header: res.Header, Address: req.URL, HTML: string(html)}
	if res.StatusCode < 300 || res.StatusCode > 399 {
		return p, nil
	}
	if p.Location, err = res.Location(); err != nil {
		return nil, fmt.Errorf("%s answered %s: %w", WithoutQuery(req.URL), res.Status, err)
	}
	return p, nil
}

// answer makes the request that sends the page's form, filled in, and says what
// is in it: the sign-in form, or the one that asks for consent. Sent is the form
// that the page is the answer to.
func (b *Browser) answer(ctx context.Context, p *Page, sent url.Values) (*http.Request, url.Values, error) {
	f, ok := signInForm(p.HTML)
	switch {
	case ok && sent.Has(f.password):
		return nil, nil, fmt.Errorf("the sign-in did not go on after the password, with status %d: %s", p.Status, p.Text(300))
	case ok && f.username == "":
		return nil, nil, errors.New("the sign-in form has a field for a password and none for a username")
	case ok:
		f.fields.Set(f.username, b.Username)
		f.fields.Set(f.password, b.Password)
	default:
		if f, ok = consentForm(p.HTML); !ok {
			return nil, nil, &StuckError{p}
		}
		decision, err := Allow, error(nil)
		if b.Decide != nil {
			decision, err = b.Decide(p)
		}
		if err != nil {
			return nil, nil, err
		}
		f.fields.Set("decision", decision)
	}
	to, err := p.Address.Parse(f.action)
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
