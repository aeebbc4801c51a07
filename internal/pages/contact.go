package pages

import (
	"fmt"

	"github.com/dcr-broker/dcr-broker/pkg/broker/branding"
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
	shown, err := branding.ParseContact(raw)
	if err != nil {
		return contact{}, fmt.Errorf("pages: the support contact %q: %w", raw, err)
	}
	return contact{raw, visible(shown, maxDetail).withEllipsis()}, nil
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
