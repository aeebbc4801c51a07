package signin

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// Page is an answer to a browser.
type Page struct {
	Status  int
	Header  http.Header
	Address *url.URL
	// Location is where a redirect leads; nil if it is none.
	Location *url.URL
	HTML     string
}

// form is a form on a page.
type form struct {
	action             string
	fields             url.Values // the hidden fields and the button
	username, password string     // names of fields; username may be empty
}

// These do for the pages of a sign-in, in which no attribute holds a bare ">".
var (
	formPattern   = regexp.MustCompile(`(?is)<form\b([^>]*)>(.*?)</form>`)
	inputPattern  = regexp.MustCompile(`(?is)<(?:input|button)\b([^>]*)>`)
	attrPattern   = regexp.MustCompile(`(?is)([a-z_:][-a-z0-9_:.]*)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))`)
	metaPattern   = regexp.MustCompile(`(?is)<meta\b([^>]*)>`)
	inlinePattern = regexp.MustCompile(`(?i)</?(?:a|b|bdi|code|em|span|strong)\b[^>]*>`)
	hidePattern   = regexp.MustCompile(`(?is)<!--.*?-->|<(?:script|style|head)\b.*?</(?:script|style|head)>|<[^>]*>`)
)

// signInForm finds the first form that asks for a password.
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

// consentForm finds the form in which one allows or cancels.
func consentForm(page string) (form, bool) {
	for _, m := range formPattern.FindAllStringSubmatch(page, -1) {
		f := form{action: attributes(m[1])["action"], fields: url.Values{}}
		asks := false
		for _, in := range inputPattern.FindAllStringSubmatch(m[2], -1) {
			a := attributes(in[1])
			if a["name"] == "decision" {
				asks = asks || a["value"] == "allow"
				continue
			}
			f.add(a)
		}
		if asks {
			return f, true
		}
	}
	return form{}, false
}

// onward is where the answer leads by itself, as a redirect or a page does that
// refreshes to another address. It is "" if there is nothing of the kind.
func (p *Page) onward() string {
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

// Text is what a reader sees of the page, at most so many characters of it.
func (p *Page) Text(most int) string {
	shown := hidePattern.ReplaceAllString(inlinePattern.ReplaceAllString(p.HTML, ""), " ")
	text := []rune(strings.Join(strings.Fields(html.UnescapeString(shown)), " "))
	if len(text) > most {
		text = append(text[:most], '…')
	}
	return string(text)
}

// WithoutQuery is the address with … for its parameters, which may be secret.
func WithoutQuery(u *url.URL) string {
	if u.RawQuery == "" {
		return u.String()
	}
	c := *u
	c.RawQuery = ""
	return c.String() + "?…"
}
