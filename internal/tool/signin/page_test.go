package signin

import (
	"net/url"
	"strings"
	"testing"
)

func TestSignInForm(t *testing.T) {
	tests := []struct {
		name, page string
		want       string // action, username, password, fields; empty if there is no such form
	}{
		{"no form", `<p>Login pages unavailable.</p>`, ""},
		{"a form without a password", `<form action="/search"><input name="q"></form>`, ""},
		{"the second form", `<form action="/search"><input name="q"></form>
			<FORM METHOD=post ACTION='/login?a=b&amp;c=d'><input TYPE=hidden name=_csrf value="a&quot;b">
			<input name="username" type="text"><input type='password' name='password'>
			<input type="checkbox" name="remember" value="1"><button type="submit" name="go" value="in">Go</button></FORM>`,
			`/login?a=b&c=d username password _csrf=a%22b&go=in`},
		{"an e-mail address", `<form><input type="email" name="mail"><input type="password" name="pw"></form>`, ` mail pw `},
		{"another text first", `<form action="x"><input type="text" name="tenant"><input name="username"><input type="password" name="pw"></form>`, `x username pw `},
	}
	for _, tt := range tests {
		f, ok := signInForm(tt.page)
		got := ""
		if ok {
			got = strings.Join([]string{f.action, f.username, f.password, f.fields.Encode()}, " ")
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestConsentForm(t *testing.T) {
	tests := []struct {
		name, page string
		want       string // action and fields; empty if there is no such form
	}{
		{"no form", `<p>This page has expired</p>`, ""},
		{"a form without a decision", `<form action="/search"><input name="q"></form>`, ""},
		{"only another account", `<form action="/authorize"><button name="decision" value="switch">Use another</button></form>`, ""},
		{"two buttons", `<form method="post" action="/authorize"><input type="hidden" name="csrf" value="a">
			<button type="submit" name="decision" value="allow">Allow</button><button type="submit" name="decision" value="cancel">Cancel</button></form>`,
			"/authorize csrf=a"},
	}
	for _, tt := range tests {
		f, ok := consentForm(tt.page)
		got := ""
		if ok {
			got = f.action + " " + f.fields.Encode()
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestNext(t *testing.T) {
	location := &url.URL{Scheme: "https", Host: "app.example.com", Path: "/"}
	for _, tt := range []struct {
		name string
		page Page
		want string
	}{
		{"a redirect", Page{Location: location}, "https://app.example.com/"},
		{"a page that refreshes to another address", Page{HTML: `<meta charset="utf-8"><meta http-equiv="refresh" content="0; url=http://127.0.0.1:1/?a=b&amp;c=d">`}, "http://127.0.0.1:1/?a=b&c=d"},
		{"a page that reloads", Page{HTML: `<meta http-equiv="refresh" content="30">`}, ""},
		{"a page", Page{HTML: `<meta name="description" content="0; url=x"><a href="/">Continue</a>`}, ""},
	} {
		if got := tt.page.next(); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestText(t *testing.T) {
	p := Page{HTML: `<head><title>x</title></head><style>p{}</style><p>It calls itself “<bdi>A &amp; B</bdi>”.</p><p>Nobody <b>knows</b>.</p>`}
	for limit, want := range map[int]string{100: "It calls itself “A & B”. Nobody knows.", 8: "It calls…"} {
		if got := p.Text(limit); got != want {
			t.Errorf("Text(%d) = %q, want %q", limit, got, want)
		}
	}
}
