package dcr

import (
	"net/url"
	"strings"
	"testing"
)

func TestParseRedirectURIAccepts(t *testing.T) {
	long := "https://a.example/" + strings.Repeat("x", MaxRedirectURILen-len("https://a.example/"))
	tests := []struct {
		raw  string
		want RedirectURI // without Raw
	}{
		{"https://claude.ai/api/mcp/auth_callback", RedirectURI{Kind: HTTPS, Scheme: "https", Host: "claude.ai", Path: "/api/mcp/auth_callback"}},
		{"https://a.example", RedirectURI{Kind: HTTPS, Scheme: "https", Host: "a.example"}},
		{"https://a.example:8443/cb?x=1&y=%C3%A9", RedirectURI{Kind: HTTPS, Scheme: "https", Host: "a.example", Port: "8443", Path: "/cb", Query: "x=1&y=%C3%A9"}},
		{"https://a.example/cb?codes=1&x=code&code[]=3", RedirectURI{Kind: HTTPS, Scheme: "https", Host: "a.example", Path: "/cb", Query: "codes=1&x=code&code[]=3"}},
		{"https://a.example?", RedirectURI{Kind: HTTPS, Scheme: "https", Host: "a.example"}},
		{"https://a.example/cb?next=https://b.example/@x:1", RedirectURI{Kind: HTTPS, Scheme: "https", Host: "a.example", Path: "/cb", Query: "next=https://b.example/@x:1"}},
		{"https://a.example/@user/cb:1", RedirectURI{Kind: HTTPS, Scheme: "https", Host: "a.example", Path: "/@user/cb:1"}}, // '@' means userinfo only in the authority
		{"https://a.example/a%2Fb/..c/d..", RedirectURI{Kind: HTTPS, Scheme: "https", Host: "a.example", Path: "/a%2Fb/..c/d.."}},
		{"https://a.example/[x]?a[]=1", RedirectURI{Kind: HTTPS, Scheme: "https", Host: "a.example", Path: "/[x]", Query: "a[]=1"}},
		{"HTTPS://A.Example/CB", RedirectURI{Kind: HTTPS, Scheme: "https", Host: "a.example", Path: "/CB"}}, // RFC 3986 §6.2.2.1
		{"https://xn--bcher-kva.example/cb", RedirectURI{Kind: HTTPS, Scheme: "https", Host: "xn--bcher-kva.example", Path: "/cb"}},
		{"https://localhost/cb", RedirectURI{Kind: HTTPS, Scheme: "https", Host: "localhost", Path: "/cb"}},
		{"https://192.0.2.1/cb", RedirectURI{Kind: HTTPS, Scheme: "https", Host: "192.0.2.1", Path: "/cb"}}, // policy decides which hosts to trust
		{"https://[2001:DB8::1]:8443/cb", RedirectURI{Kind: HTTPS, Scheme: "https", Host: "[2001:db8::1]", Port: "8443", Path: "/cb"}},
		{"https://1.example", RedirectURI{Kind: HTTPS, Scheme: "https", Host: "1.example"}},
		{long, RedirectURI{Kind: HTTPS, Scheme: "https", Host: "a.example", Path: strings.TrimPrefix(long, "https://a.example")}},

		{"http://localhost:3142", RedirectURI{Kind: Loopback, Scheme: "http", Host: "localhost", Port: "3142"}}, // MCP go-sdk: no path
		{"http://127.0.0.1/", RedirectURI{Kind: Loopback, Scheme: "http", Host: "127.0.0.1", Path: "/"}},        // VS Code: no port
		{"http://127.0.0.1:65535/cb", RedirectURI{Kind: Loopback, Scheme: "http", Host: "127.0.0.1", Port: "65535", Path: "/cb"}},
		{"http://[::1]:1/cb", RedirectURI{Kind: Loopback, Scheme: "http", Host: "[::1]", Port: "1", Path: "/cb"}},

		{"cursor://anysphere.cursor-mcp/oauth/callback", RedirectURI{Kind: PrivateUse, Scheme: "cursor", Host: "anysphere.cursor-mcp", Path: "/oauth/callback"}},
		{"com.example.app:/oauth2redirect/example-provider", RedirectURI{Kind: PrivateUse, Scheme: "com.example.app", Path: "/oauth2redirect/example-provider"}}, // RFC 8252 §7.1
		{"com.example.app:///cb?x=1", RedirectURI{Kind: PrivateUse, Scheme: "com.example.app", Path: "/cb", Query: "x=1"}},
		{"com.example.app://auth", RedirectURI{Kind: PrivateUse, Scheme: "com.example.app", Host: "auth"}},
		{"myapp://my_host:80/cb", RedirectURI{Kind: PrivateUse, Scheme: "myapp", Host: "my_host", Port: "80", Path: "/cb"}},
	}
	for _, tt := range tests {
		tt.want.Raw = tt.raw
		if got, err := ParseRedirectURI(tt.raw); err != nil || got != tt.want {
			t.Errorf("ParseRedirectURI(%q)\n got %+v, %v\nwant %+v", tt.raw, got, err, tt.want)
		}
	}
}

func TestParseRedirectURIRefuses(t *testing.T) {
	tests := []struct{ raw, text string }{
		{"", "must not be empty"},
		{"https://a.example/" + strings.Repeat("x", MaxRedirectURILen-len("https://a.example/")+1), "1024"},
		{"/callback", "not an absolute URI"},
		// Cognito compares as text; only the lower-case spelling is known to
		// register.
		{"http://LOCALHOST/cb", "lower case"},
		{"HTTP://localhost/cb", "lower case"},
		{"http://localhost?x=1", "path must come before"},
		{"http://[::1]:1?x=1", "path must come before"},
		{"//a.example/cb", "not an absolute URI"}, // a browser adds the scheme of the current page
		{"a.example/cb", "not an absolute URI"},
		{"1a:/cb", "not an absolute URI"},
		{"a_b:/cb", "not an absolute URI"},
		{":/cb", "not an absolute URI"},

		{"https://a.example/cb#x", "fragment"}, // RFC 6749 §3.1.2
		{"https://a.example/cb#", "fragment"},  // net/url drops an empty one
		{"com.example.app:/cb#x", "fragment"},
		{"https://a.example@evil.example/cb", "user information"},
		{"https://@a.example/cb", "user information"}, // net/url drops an empty one
		{"https://user:pw@a.example/cb", "user information"},
		{"com.example.app://user@host/cb", "user information"},
		{"https://a.example/c b", "white space"},
		{" https://a.example/cb", "white space"}, // browsers trim it
		{"https://a.example/cb\n", "white space"},
		{"java\tscript:alert(1)", "white space"}, // browsers drop tabs and line ends inside
		{"https://a.example/\x00", "control"},
		{"https://a.example/%0d%0aSet-Cookie:x", "control characters are not allowed, percent-encoded or not"},
		{"https://a.example/?x=%7F", "control"},

		// Parameters of the response.
		{"https://a.example/cb?code=x", "parameter code"},
		{"https://a.example/cb?state=x", "parameter state"},
		{"https://a.example/cb?iss=https://b.example", "parameter iss"},
		{"https://a.example/cb?a=1&error=x", "parameter error"},
		{"https://a.example/cb?error_description=x&b=1", "parameter error_description"},
		{"https://a.example/cb?error_uri=x", "parameter error_uri"},
		{"https://a.example/cb?response=x", "parameter response"},
		{"https://a.example/cb?Code=x", "parameter code"}, // for programs that do not tell upper from lower case
		{"http://localhost/cb?a=b&IS%53=x", "parameter iss"},
		{"https://a.example/cb?code", "parameter code"},
		{"https://a.example/cb?a=1&&code=", "parameter code"},
		{"https://a.example/cb?%63ode=x", "parameter code"},
		{"https://a.example/cb?%63%6f%64%65=x", "parameter code"},
		{"https://a.example/cb?a=1;state=x", "parameter state"},
		{"http://127.0.0.1/cb?code=x", "parameter code"},
		{"com.example.app:/cb?i%73s=x", "parameter iss"},
		{"https://a.example\\@evil.example/cb", "backslash"}, // browsers read it as a slash
		{"https:\\\\a.example/cb", "backslash"},
		{"https://*.example.com/cb", "wildcard"},
		{"https://a.example/*", "wildcard"},
		{"https://a.example/<script>", "'<'"},
		{"https://a.example/\"onload=", "quotation"},
		{"https://a.example/{id}", "braces"}, // a template with its variable
		{"https://a.example/%", "percent-encoding"},
		{"https://a.example/%4", "percent-encoding"},
		{"https://a.example/%4g", "percent-encoding"},
		{"https://a.example/%+1", "percent-encoding"}, // number parsers accept a sign
		{"https://bücher.example/cb", "A-label"},
		{"https://a.example/é", "percent-encode"},
		{"https://a.example。evil.example/", "only ASCII"}, // U+3002 is a dot to browsers

		// "." and ".." lead a browser away from the path a policy trusts.
		{"https://chatgpt.com/connector/oauth/../../evil", "segments"},
		{"https://chatgpt.com/connector/oauth/%2e%2E/evil", "segments"},
		{"https://chatgpt.com/connector/oauth/.%2e/evil", "segments"},
		{"https://chatgpt.com/connector/oauth/..%2fevil", "segments"},
		{"https://chatgpt.com/connector/oauth/..%5cevil", "segments"},
		{"https://a.example/.", "segments"},
		{"com.example.app:/../cb", "segments"},

		{"https:", "no host"},
		{"https://", "no host"},
		{"https:///cb", "no host"},        // browsers read https://cb
		{"https:a.example/cb", "no host"}, // browsers read https://a.example/cb
		{"https:/a.example/cb", "no host"},
		{"https://:443/cb", "no host"},
		{"https://?x", "no host"},
		{"https://a..example/cb", "host"},
		{"https://.example/cb", "host"},
		{"https://a.example./cb", "host"}, // with a trailing dot a policy for a.example would not match
		{"https://-a.example/cb", "host"},
		{"https://a-.example/cb", "host"},
		{"https://a_b.example/cb", "host"},
		{"https://a%2eexample/cb", "host"},
		{"https://" + strings.Repeat("a", 64) + ".example/cb", "host"},
		{"https://" + strings.Repeat("a.", 126) + "aa/cb", "host"},
		{"https://[::1/cb", "host"},
		{"https://[127.0.0.1]/cb", "host"},
		{"https://[fe80::1%25eth0]/cb", "host"},
		{"https://::1/cb", "host"},
		{"https://[::1]x/cb", "host"},
		{"https://256.0.0.1/cb", "host"},
		{"https://a.example:/cb", "port"},
		{"https://a.example:0/cb", "port"},
		{"https://a.example:065/cb", "port"},
		{"https://a.example:65536/cb", "port"},
		{"https://a.example:+1/cb", "port"},
		{"https://a.example:1:2/cb", "host"},
		{"http://localhost:/cb", "port"},

		{"http://a.example/cb", "use https"},
		{"http://localhost.evil.com/cb", "use https"},
		{"http://127.0.0.1.nip.io/cb", "use https"},
		{"http://localhost@evil.com/cb", "user information"},
		{"http://evil.com/localhost", "use https"},
		{"http://127.0.0.2/cb", "use https"}, // loopback, but Amazon Cognito accepts 127.0.0.1 only
		{"http://[::ffff:127.0.0.1]/cb", "use https"},
		{"http://[0:0:0:0:0:0:0:1]/cb", "use https"},
		{"http://0.0.0.0/cb", "use https"},
		{"http://127.1/cb", "host"}, // browsers read 127.0.0.1 here and in the next rows
		{"http://0x7f.1/cb", "host"},
		{"http://0X7F000001/cb", "host"},
		{"http://2130706433/cb", "host"},
		{"http://127.0.0.01/cb", "host"},
		{"http://a.0x/cb", "host"}, // "0x" is the number 0 to a browser
		{"http://localhost./cb", "host"},

		{"cursor:", "followed by"},
		{"cursor://", "nothing follows"},
		{"cursor://?x=1", "nothing follows"},
		{"cursor://:80/cb", "port without a host"},
		{"com.example.app:callback", "followed by"},
		{"localhost:3000/callback", "followed by"},   // http:// is missing
		{"example.com:8443/callback", "followed by"}, // the same with a dot
		{"com.example.app://a%20b/cb", "host"},
		{"com.example.app://a;b/cb", "host"},
	}
	for _, tt := range tests {
		u, err := ParseRedirectURI(tt.raw)
		if err == nil {
			t.Errorf("ParseRedirectURI(%q) = %+v, want refused", tt.raw, u)
			continue
		}
		e := refusal(t, err)
		if e.Code != InvalidRedirectURI || !strings.Contains(e.Description, tt.text) {
			t.Errorf("ParseRedirectURI(%q): %v, want %s with %q", tt.raw, e, InvalidRedirectURI, tt.text)
		}
		checkDescription(t, e)
	}
}

func TestParseRedirectURIRefusesForbiddenSchemes(t *testing.T) {
	for _, raw := range []string{
		"javascript:alert(1)", // would run on our consent page
		"JavaScript://a.example/%61lert(1)",
		"data:text/html,x",
		"vbscript:msgbox(1)",
		"file:///etc/passwd",
		"blob:https://a.example/1",
		"filesystem:https://a.example/temporary/x",
		"about:blank",
		"view-source:https://a.example/",
		"jar:https://a.example/x.jar!/x",
		"ws://a.example/cb",
		"wss://a.example/cb",
		"ftp://a.example/cb",
		"chrome://settings/",
		"chrome-extension://abc/cb",
		"moz-extension://abc/cb",
		"edge://settings/",
		"resource://x/y",
		"googlechrome://a.example/", // opens any page in another browser
		"mailto:a@b.example",
		"tel:+15550100",
		"sms:+15550100",
		"intent://a.example/#Intent", // refused because of its fragment
		"content://x/y",
		"ms-msdt:/id", // CVE-2022-30190
		"search-ms:query=x",
		"ms-settings://x",
		"microsoft.windows.camera://x", // looks like a private-use scheme because of the dot
		"itms-services://?action=download-manifest",
		"urn:ietf:wg:oauth:2.0:oob", // shows the code for copying, which helps phishing
	} {
		u, err := ParseRedirectURI(raw)
		if err == nil {
			t.Errorf("ParseRedirectURI(%q) = %+v, want refused", raw, u)
			continue
		}
		if e := refusal(t, err); e.Code != InvalidRedirectURI {
			t.Errorf("ParseRedirectURI(%q): code %s, want %s", raw, e.Code, InvalidRedirectURI)
		}
	}
	// The rest of the URI is valid, so only the list can refuse it.
	for _, scheme := range []string{"javascript", "data", "file", "vbscript", "blob", "about", "view-source", "ftp", "ws", "wss",
		"intent", "content", "filesystem", "jar", "mailto", "tel", "sms", "chrome", "edge", "resource", "moz-extension", "ms-word", "urn"} {
		_, err := ParseRedirectURI(scheme + "://host/path")
		if e := refusal(t, err); !strings.Contains(e.Description, "scheme '"+scheme+"' is not allowed") {
			t.Errorf("%s://host/path: %v, want the scheme named", scheme, e)
		}
	}
}

// FuzzParseRedirectURI: Amazon Cognito accepts every accepted URI, and net/url
// reads the same parts.
func FuzzParseRedirectURI(f *testing.F) {
	for _, s := range []string{
		"https://a.example:8443/cb?x=1", "http://[::1]:1/", "cursor://anysphere.cursor-mcp/oauth/callback",
		"com.example.app:/cb", "https://a.example\\@b.example/", "http://0x7f.1/", "https://a.example/%2e%2e/",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := ParseRedirectURI(raw)
		if err != nil {
			e := refusal(t, err)
			checkDescription(t, e)
			if e.Code != InvalidRedirectURI {
				t.Errorf("ParseRedirectURI(%q): code %s, want %s", raw, e.Code, InvalidRedirectURI)
			}
			return
		}
		if u.Raw != raw {
			t.Errorf("Raw = %q, want %q", u.Raw, raw)
		}
		if len(raw) > 1024 || strings.ContainsAny(raw, "# \\*") {
			t.Errorf("accepted %q, which Amazon Cognito or a browser would change", raw)
		}
		p, err := url.Parse(raw)
		if err != nil {
			t.Fatalf("accepted %q, which net/url refuses: %v", raw, err)
		}
		host := strings.ToLower(p.Hostname())
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		if p.Scheme != u.Scheme || host != u.Host || p.Port() != u.Port || p.User != nil || p.Opaque != "" || p.EscapedPath() != u.Path || p.RawQuery != u.Query {
			t.Errorf("ParseRedirectURI(%q) = %+v, net/url has %+v", raw, u, p)
		}
		switch {
		case p.Scheme == "https" && u.Kind == HTTPS && host != "":
		case p.Scheme == "http" && u.Kind == Loopback && (host == "localhost" || host == "127.0.0.1" || host == "[::1]"):
		case p.Scheme != "https" && p.Scheme != "http" && u.Kind == PrivateUse && host+u.Path != "":
		default:
			t.Errorf("ParseRedirectURI(%q) has kind %v for scheme %q and host %q", raw, u.Kind, p.Scheme, host)
		}
	})
}

func TestURIKindHasAName(t *testing.T) {
	for k, want := range map[URIKind]string{HTTPS: "https", Loopback: "loopback", PrivateUse: "private-use", 0: "URIKind(0)"} {
		if got := k.String(); got != want {
			t.Errorf("URIKind(%d).String() = %q, want %q", int(k), got, want)
		}
	}
}

func TestOnDevice(t *testing.T) {
	for raw, want := range map[string]bool{
		"http://localhost/cb": true, "http://127.0.0.1:4711/cb": true, "com.example.app:/cb": true,
		"https://localhost/cb": true, "https://LOCALHOST:8443/cb": true, "https://app.localhost/cb": true,
		"https://127.0.0.1/cb": true, "https://127.8.9.1/cb": true, "https://0.0.0.0/cb": true,
		"https://[::1]:8443/cb": true, "https://[::ffff:127.0.0.1]/cb": true, "https://[::]/cb": true,
		"https://claude.ai/cb": false, "https://localhost.example.com/cb": false, "https://notlocalhost/cb": false,
		"https://192.0.2.1/cb": false, "https://[2001:db8::1]/cb": false,
	} {
		u, err := ParseRedirectURI(raw)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if got := u.OnDevice(); got != want {
			t.Errorf("%s on the device: %t, want %t", raw, got, want)
		}
	}
}

func TestIsLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "::1": true,
		"": false, "[::1]": false, "127.0.0.2": false, "127.1": false, "LOCALHOST": false, "localhost.": false, "0:0:0:0:0:0:0:1": false,
		"localhost.example.com": false, "127.0.0.1:80": false,
	} {
		if got := IsLoopback(host); got != want {
			t.Errorf("IsLoopback(%q) = %t, want %t", host, got, want)
		}
	}
}
