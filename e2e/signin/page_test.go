package signin

import (
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
