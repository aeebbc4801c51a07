package signin

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// Page is a page or a redirect.
type Page struct {
	Status  int
	Header  http.Header
	Address *url.URL
	// Location is the target of a redirect; nil for a page.
	Location *url.URL
	HTML     string
}

// form is a form on a page.
type form struct {
	action             string
	fields             url.Values // the hidden fields and the button
	username, password string     // names of fields; username may be empty
}

// These patterns are sufficient for sign-in pages, whose attributes have no
// unescaped ">".
var (
	formPattern   = regexp.MustCompile(`(?is)<form\b([^>]*)>(.*?)</form>`)
	inputPattern  = regexp.MustCompile(`(?is)<(?:input|button)\b([^>]*)>`)
	attrPattern   = regexp.MustCompile(`(?is)([a-z_:][-a-z0-9_:.]*)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))`)
	metaPattern   = regexp.MustCompile(`(?is)<meta\b([^>]*)>`)
	inlinePattern = regexp.MustCompile(`(?i)</?(?:a|b|bdi|code|em|span|strong)\b[^>]*>`)
	hidePattern   = regexp.MustCompile(`(?is)<!--.*?-->|<(?:script|style|head)\b.*?</(?:script|style|head)>|<[^>]*>`)
)

// signInForm returns the first form with a password field.
func signInForm(page string) (form, bool) {
	for _, m := range formPattern.FindAllStringSubmatch(page, -1) {
		f := form{action: attributes(m[1])["action"], fields: url.Values{}}
		for _, in := range inputPattern.FindAllStringSubmatch(m[2], -1) {
			f.add(attributes(in[1]))
		}
		if f.password != "" {
			return f, true
		}
	}
	return form{}, false
}

// consentForm returns the first form with an allow button.
func consentForm(page string) (form, bool) {
	for _, m := range formPattern.FindAllStringSubmatch(page, -1) {
		f := form{action: attributes(m[1])["action"], fields: url.Values{}}
		allows := false
		for _, in := range inputPattern.FindAllStringSubmatch(m[2], -1) {
			a := attributes(in[1])
			if a["name"] == "decision" {
				allows = allows || a["value"] == "allow"
				continue
			}
			f.add(a)
		}
		if allows {
			return f, true
		}
	}
	return form{}, false
}

// next returns the target of a redirect, or of a page that refreshes to another
// address; "" if there is none.
func (p *Page) next() string {
	if p.Location != nil {
		return p.Location.String()
	}
	for _, m := range metaPattern.FindAllStringSubmatch(p.HTML, -1) {
		a := attributes(m[1])
		if _, to, ok := strings.Cut(a["content"], "url="); ok && strings.EqualFold(a["http-equiv"], "refresh") {
			return to
		}
	}
	return ""
}

func (f *form) add(input map[string]string) {
	name := input["name"]
	if name == "" {
		return
	}
	switch strings.ToLower(input["type"]) {
	case "hidden", "submit":
		f.fields.Set(name, input["value"])
	case "password":
		f.password = name
	case "", "text", "email":
		if f.username == "" || name == "username" {
			f.username = name
		}
	}
}

func attributes(tag string) map[string]string {
	attrs := make(map[string]string)
	for _, m := range attrPattern.FindAllStringSubmatch(tag, -1) {
		attrs[strings.ToLower(m[1])] = html.UnescapeString(m[2] + m[3] + m[4])
	}
	return attrs
}

// Text returns the visible text of the page, cut off after limit characters.
func (p *Page) Text(limit int) string {
	visible := hidePattern.ReplaceAllString(inlinePattern.ReplaceAllString(p.HTML, ""), " ")
	text := []rune(strings.Join(strings.Fields(html.UnescapeString(visible)), " "))
	if len(text) > limit {
		text = append(text[:limit], '…')
	}
	return string(text)
}

// WithoutQuery returns the address with … instead of its parameters, which may
// be secret.
func WithoutQuery(u *url.URL) string {
	if u.RawQuery == "" {
		return u.String()
	}
	c := *u
	c.RawQuery = ""
	return c.String() + "?…"
}
