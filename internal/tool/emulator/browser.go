package emulator

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// Browser goes through the sign-in pages like a user's browser: it stores
// cookies, follows redirects and fills in the form. Tests and demonstrations
// use it. It is not safe for concurrent use.
type Browser struct{ client *http.Client }

// NewBrowser returns a browser without cookies.
func NewBrowser() *Browser {
	jar, _ := cookiejar.New(nil) // never fails without options
	return &Browser{&http.Client{
		Jar: jar,
		// As adapter.WithoutRedirects, which the emulator does not import: it
		// shares no code with the broker.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

var (
	formAction = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
	csrfField  = regexp.MustCompile(`name="_csrf" value="([^"]*)"`)
)

// SignIn opens an authorization URL, signs in with name and password if there
// is a form, and returns the address to which the pages redirect at the end:
// the redirect_uri of the request with code and state, or with error. It does
// not fetch that address. If a page has no way forward (a wrong password, a bad
// client), the error has the page's status.
func (b *Browser) SignIn(ctx context.Context, authorizationURL, name, password string) (*url.URL, error) {
	at, err := url.Parse(authorizationURL)
	if err != nil {
		return nil, fmt.Errorf("emulator: authorization URL: %w", err)
	}
	back := at.Query().Get("redirect_uri")
	var form url.Values // nil is GET
	submitted := false
	for range 10 {
		resp, body, err := b.fetch(ctx, at, form)
		if err != nil {
			return nil, err
		}
		form = nil
		if resp.StatusCode == http.StatusFound {
			to, err := at.Parse(resp.Header.Get("Location"))
			if err != nil {
				return nil, fmt.Errorf("emulator: redirect: %w", err)
			}
			if back != "" && strings.HasPrefix(resp.Header.Get("Location"), back) {
				return to, nil
			}
			at = to
			continue
		}
		action, csrf := formAction.FindStringSubmatch(body), csrfField.FindStringSubmatch(body)
		if resp.StatusCode != http.StatusOK || action == nil || csrf == nil || submitted {
			return nil, fmt.Errorf("emulator: %s %s: status %d", resp.Request.Method, at.Redacted(), resp.StatusCode)
		}
		if at, err = at.Parse(html.UnescapeString(action[1])); err != nil {
			return nil, fmt.Errorf("emulator: form action: %w", err)
		}
		form = url.Values{"_csrf": {html.UnescapeString(csrf[1])}, "username": {name}, "password": {password}}
		submitted = true
	}
	return nil, errors.New("emulator: too many redirects")
}

// Open opens an address of the emulator and follows its redirects to the first
// address of another origin, which it returns and does not fetch. If it gets a
// page, the error has the page's status.
func (b *Browser) Open(ctx context.Context, address string) (*url.URL, error) {
	at, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("emulator: address: %w", err)
	}
	home := at.Scheme + "://" + at.Host
	for range 10 {
		resp, _, err := b.fetch(ctx, at, nil)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode != http.StatusFound {
			return nil, fmt.Errorf("emulator: GET %s: status %d", at.Redacted(), resp.StatusCode)
		}
		if at, err = at.Parse(resp.Header.Get("Location")); err != nil {
			return nil, fmt.Errorf("emulator: redirect: %w", err)
		}
		if at.Scheme+"://"+at.Host != home {
			return at, nil
		}
	}
	return nil, errors.New("emulator: too many redirects")
}

func (b *Browser) fetch(ctx context.Context, at *url.URL, form url.Values) (*http.Response, string, error) {
	method := http.MethodGet
	if form != nil {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, at.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, "", fmt.Errorf("emulator: %w", err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return nil, "", fmt.Errorf("emulator: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, "", fmt.Errorf("emulator: read page: %w", err)
	}
	return resp, string(body), nil
}
