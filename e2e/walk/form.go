package walk

import (
	"html"
	"net/url"
	"regexp"
	"strings"
)

// form is a sign-in form.
type form struct {
	action             string
	fields             url.Values // the hidden fields and the button
	username, password string     // names of fields; username may be empty
}

// These do for the pages of a sign-in, in which no attribute holds a bare ">".
var (
	formPattern  = regexp.MustCompile(`(?is)<form\b([^>]*)>(.*?)</form>`)
	inputPattern = regexp.MustCompile(`(?is)<(?:input|button)\b([^>]*)>`)
	attrPattern  = regexp.MustCompile(`(?is)([a-z_:][-a-z0-9_:.]*)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))`)
	metaPattern  = regexp.MustCompile(`(?is)<meta\b([^>]*)>`)
	hidePattern  = regexp.MustCompile(`(?is)<!--.*?-->|<(?:script|style|head)\b.*?</(?:script|style|head)>|<[^>]*>`)
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

// onward is where the page goes by itself, if it does.
func (p *page) onward() string {
	for _, m := range metaPattern.FindAllStringSubmatch(p.html, -1) {
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

// text is what a reader sees of the page, shortened.
func (p *page) text() string {
	text := []rune(strings.Join(strings.Fields(html.UnescapeString(hidePattern.ReplaceAllString(p.html, " "))), " "))
	if len(text) > 300 {
		text = append(text[:300], '…')
	}
	return string(text)
}
