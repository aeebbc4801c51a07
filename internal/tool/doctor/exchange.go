package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// maxBody limits an answer, in bytes.
	maxBody = 1 << 20
	// maxRedirects limits the redirects that lead to a document.
	maxRedirects = 5
	// timeout is for one request and its answer, and for a call of the SDK.
	timeout = 20 * time.Second
	// maxText limits a server's text in a report, in characters.
	maxText = 160
	// maxDetail limits a detail, in characters.
	maxDetail = 4000
	// elsewhere is the origin that requests claim to come from.
	elsewhere = "http://localhost:6274" // MCP Inspector's
)

// answer is the answer of a server.
type answer struct {
	address string // that was requested
	status  int
	header  http.Header
	body    []byte
	// redirects are the addresses that led from address to the answer.
	redirects []string
}

// webURL parses an address that may be fetched.
func webURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s is not a URL", quote(address))
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("%s is not an http or https URL", quote(address))
	case u.Hostname() == "":
		return nil, fmt.Errorf("%s has no host", quote(address))
	case u.User != nil:
		return nil, fmt.Errorf("the URL of host %s contains a user name", quote(u.Host))
	}
	return u, nil
}

// isLoopback reports whether the host is this machine, without a DNS lookup.
func isLoopback(u *url.URL) bool {
	host := strings.ToLower(u.Hostname())
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// isProtected reports whether a request cannot be read on the network.
func isProtected(u *url.URL) bool { return u.Scheme == "https" || isLoopback(u) }

// send makes one request and reads the answer, whatever its status is.
func (d *doctor) send(ctx context.Context, method, address string, header http.Header, body []byte) (*answer, error) {
	u, err := webURL(address)
	if err != nil {
		return nil, err
	}
	u.Fragment, u.RawFragment = "", ""
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, errors.New(reasonOf(err))
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", clientName)
	began := d.Now()
	res, err := d.http.Do(req)
	if err != nil {
		return nil, errors.New(reasonOf(err))
	}
	defer res.Body.Close()
	a := &answer{address: address, status: res.StatusCode, header: res.Header}
	// A stream may never end, and its status is sufficient.
	if !a.isType("text/event-stream") {
		a.body, err = io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	}
	if took := d.Now().Sub(began); took > d.slowest.took {
		d.slowest = slowest{took, method + " " + withoutQuery(u)}
	}
	if err != nil {
		return nil, fmt.Errorf("the answer is incomplete: %s", reasonOf(err))
	}
	if len(a.body) > maxBody {
		return nil, fmt.Errorf("the answer is longer than %d bytes", maxBody)
	}
	return a, nil
}

// get fetches a document as a client does, and follows redirects.
func (d *doctor) get(ctx context.Context, address string) (*answer, error) {
	var redirects []string
	for to := address; ; {
		a, err := d.send(ctx, http.MethodGet, to, http.Header{
			"Accept": {"application/json"}, "Mcp-Protocol-Version": {protocolVersion}, "Origin": {elsewhere},
		}, nil)
		if err != nil {
			return nil, err
		}
		next := a.location()
		if next == nil {
			a.address, a.redirects = address, redirects
			return a, nil
		}
		if len(redirects) == maxRedirects {
			return nil, fmt.Errorf("more than %d redirects", maxRedirects)
		}
		if strings.HasPrefix(to, "https:") && next.Scheme != "https" {
			return nil, fmt.Errorf("a redirect leads from https to %s", quote(withoutQuery(next)))
		}
		to = next.String()
		redirects = append(redirects, to)
	}
}

// preflight makes the preflight request of a browser for the method and headers
// (Fetch §4.8). The error says why a browser would not make the request itself.
func (d *doctor) preflight(ctx context.Context, method, address string, headers ...string) error {
	a, err := d.send(ctx, http.MethodOptions, address, http.Header{
		"Origin": {elsewhere}, "Access-Control-Request-Method": {method}, "Access-Control-Request-Headers": {strings.Join(headers, ",")},
	}, nil)
	if err != nil {
		return err
	}
	if a.status < 200 || a.status > 299 {
		return fmt.Errorf("OPTIONS answers %d", a.status)
	}
	if !a.allowsOrigin() {
		return errors.New("the answer to OPTIONS allows no other origin (Access-Control-Allow-Origin)")
	}
	// GET and POST are always allowed (Fetch, CORS-safelisted method).
	allowed := a.list("Access-Control-Allow-Headers")
	for _, h := range headers {
		// The asterisk does not stand for Authorization.
		if !allowed[h] && (!allowed["*"] || h == "authorization") {
			return fmt.Errorf("Access-Control-Allow-Headers lacks %s", h)
		}
	}
	return nil
}

// allowsOrigin reports whether scripts of other origins may read the answer.
func (a *answer) allowsOrigin() bool {
	origin := a.header.Get("Access-Control-Allow-Origin")
	return origin == "*" || origin == elsewhere
}

// list returns the names in a header that has a list of them, in lower case.
func (a *answer) list(header string) map[string]bool {
	names := make(map[string]bool)
	for _, v := range a.header.Values(header) {
		for name := range strings.SplitSeq(v, ",") {
			names[strings.ToLower(strings.TrimSpace(name))] = true
		}
	}
	return names
}

// location returns the target of a redirect; nil if the answer is not one.
func (a *answer) location() *url.URL {
	switch a.status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil
	}
	base, err := url.Parse(a.address)
	if err != nil || a.header.Get("Location") == "" {
		return nil
	}
	to, err := base.Parse(a.header.Get("Location"))
	if err != nil {
		return nil
	}
	return to
}

func (a *answer) isType(want string) bool {
	t, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	return t == want
}

// isStored reports whether a cache may keep the answer.
func (a *answer) isStored() bool { return !a.list("Cache-Control")["no-store"] }

// quote quotes text of a server, so that a terminal does not interpret it, and
// cuts it off after maxText characters.
func quote(s string) string {
	if utf8.RuneCountInString(s) > maxText {
		s = string([]rune(s)[:maxText]) + "…"
	}
	return strconv.Quote(s)
}

// quotes quotes the first eight texts.
func quotes(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	var quoted []string
	for i, s := range list {
		if i == 8 {
			quoted = append(quoted, fmt.Sprintf("and %d more", len(list)-i))
			break
		}
		quoted = append(quoted, quote(s))
	}
	return strings.Join(quoted, ", ")
}

// clean removes secrets and characters that are not printable from a text
// before it is reported, and limits its length.
func (d *doctor) clean(s string) string {
	for _, secret := range d.withheld {
		s = redact(s, secret)
	}
	if utf8.RuneCountInString(s) > maxDetail {
		s = string([]rune(s)[:maxDetail]) + "…"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}

// redact replaces the secret, and the beginning of it where text was cut off.
func redact(s, secret string) string {
	begin := secret[:min(len(secret), 12)]
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(s, begin)
		out.WriteString(before)
		if !found {
			return out.String()
		}
		out.WriteString("[redacted]")
		more := secret[len(begin):]
		for more != "" && rest != "" && more[0] == rest[0] {
			more, rest = more[1:], rest[1:]
		}
		s = rest
	}
}

// withoutQuery returns the address without its parameters, which may be secret.
func withoutQuery(u *url.URL) string {
	c := *u
	c.RawQuery, c.Fragment, c.RawFragment, c.User = "", "", "", nil
	return c.String()
}

// hostOf returns host and port of an address, to compare origins.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	if u.Port() == "" {
		return net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	return u.Host
}
