package pages

import (
	"fmt"
	"net/url"
	"strings"
)

// contact is where users get help from the operator. The zero contact is none.
type contact struct {
	href  string // a mailto or https URL
	shown string
}

func newContact(raw string) (contact, error) {
	if raw == "" {
		return contact{}, nil
	}
	u, err := url.Parse(raw)
	switch {
	case err == nil && u.Scheme == "mailto" && strings.Contains(u.Opaque, "@"):
		return contact{raw, visible(u.Opaque, maxDetail).withEllipsis()}, nil
	case err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil:
		return contact{raw, visible(raw, maxDetail).withEllipsis()}, nil
	}
	return contact{}, fmt.Errorf("pages: the support contact %q is neither a mailto nor an https URL", raw)
}

// contact adds a link to the operator's contact, whose text is its address.
func (p *page) contact(t *problemText, c contact) {
	if c.href == "" {
		return
	}
	p.html(`<section class="aside">` + "\n<h2>")
	p.message(t.Contact)
	p.html("</h2>\n" + `<p><a rel="noreferrer"`)
	p.attr("href", c.href)
	p.html(">")
	p.element("bdi", c.shown)
	p.html("</a></p>\n</section>\n")
}
