// Package signin is a tool: it acts as the user and the browser that open
// an authorization URL. It follows redirects and pages that refresh to another
// address, keeps cookies, and submits the sign-in form with a password and the
// decision on the broker's consent page, until it reaches the client's redirect
// URI.
//
// It leaves out pages that need a script, such as those of Cognito's managed
// login version 2, and second factors.
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

	"github.com/dcr-broker/dcr-broker/internal/adapter"
)

// The decisions on the consent page.
const (
	Allow  = "allow"
	Cancel = "cancel"
)

// Browser is the browser of one user. It keeps cookies between visits. It is
// not safe for concurrent use.
type Browser struct {
	// Transport makes the requests. Optional; default: http.DefaultTransport.
	Transport http.RoundTripper
	// Username and Password are submitted with a sign-in form.
	Username string
	Password string
	// Decide returns the decision on a consent page, Allow or Cancel. An error
	// ends the visit. Optional; default: Allow.
	Decide func(*Page) (string, error)
	// Sent is called before each request. form is the submitted form; nil for a
	// GET. Optional.
	Sent func(req *http.Request, form url.Values)
	// Answered is called with each answer, and must not read its body. Optional.
	Answered func(*http.Response)

	jar http.CookieJar
}

// StuckError means that a visit cannot continue: the page has no sign-in form,
// no consent form, and no redirect.
type StuckError struct{ Page *Page }

func (e *StuckError) Error() string {
	return fmt.Sprintf("the page at %s (status %d) has no form with a password; its text: %s", WithoutQuery(e.Page.Address), e.Page.Status, e.Page.Text(300))
}

const (
	// maxHops limits the pages and redirects of a visit.
	maxHops = 15
	// maxPage limits a page, in bytes.
	maxPage = 1 << 20
)

// Visit opens address and submits the forms of the pages until a redirect leads
// to uri, a redirect URI without query. It returns the target of that redirect,
// and does not open it. The error is a *StuckError if a page has no next step.
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
		if to := page.next(); to != "" {
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

// Open opens address and returns the page or redirect.
func (b *Browser) Open(ctx context.Context, address string) (*Page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	return b.load(req, nil)
}

// load makes a request. form has the fields that it submits; nil for none.
func (b *Browser) load(req *http.Request, form url.Values) (*Page, error) {
	if b.jar == nil {
		b.jar, _ = cookiejar.New(nil) // the error is always nil
	}
	if b.Sent != nil {
		b.Sent(req, form)
	}
	// Visit follows redirects, so that Sent and Answered get each of them.
	client := adapter.WithoutRedirects(&http.Client{Transport: b.Transport, Jar: b.jar})
	res, err := client.Do(req)
	if e, ok := errors.AsType[*url.Error](err); ok {
		e.URL = WithoutQuery(req.URL) // the query may have a code
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

// answer returns the request that submits the sign-in or consent form of the
// page, and the fields of the form. sent is the form that was submitted before.
func (b *Browser) answer(ctx context.Context, p *Page, sent url.Values) (*http.Request, url.Values, error) {
	f, ok := signInForm(p.HTML)
	switch {
	case ok && sent.Has(f.password):
		return nil, nil, fmt.Errorf("the page after the password is a sign-in form again, with status %d: %s", p.Status, p.Text(300))
	case ok && f.username == "":
		return nil, nil, errors.New("the sign-in form has a password field but no username field")
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
