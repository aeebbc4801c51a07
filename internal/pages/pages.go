package pages

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"sync"
)

// Brand is the operator's name and design of the pages.
type Brand struct {
	// Name is the operator's name for users. Required.
	Name string
	// Logo is a PNG or SVG image of at most branding.MaxLogo bytes. Optional.
	Logo []byte
	// Accent is the colour of buttons and links, "#rrggbb". Optional. Any colour
	// works: New derives colours with enough contrast from it.
	Accent string
	// Contact is a mailto or https URL where users get help from the operator.
	// Pages that refuse something show it. Optional.
	Contact string
}

// Pages writes pages. It is safe for concurrent use.
type Pages struct {
	name    string
	logo    *asset // nil if there is none
	tint    palette
	contact contact

	// theme is computed for the first page, so that it does not delay the start
	// of a function.
	theme func() theme
}

// theme is the style sheet of all pages and the policy that allows it.
type theme struct {
	style  string
	policy string
}

// New returns the pages of the brand. The error says what is wrong with the
// brand.
func New(b Brand) (*Pages, error) {
	name := visible(b.Name, maxName)
	if name.text == "" {
		return nil, errors.New("pages: the operator's name is empty")
	}
	logo, err := newLogo(b.Logo)
	if err != nil {
		return nil, err
	}
	contact, err := newContact(b.Contact)
	if err != nil {
		return nil, err
	}
	accent := defaultAccent
	if b.Accent != "" {
		if accent, err = parseColour(b.Accent); err != nil {
			return nil, err
		}
	}
	p := &Pages{name: name.text, logo: logo, tint: newPalette(accent), contact: contact}
	p.theme = sync.OnceValue(p.newTheme)
	return p, nil
}

func (p *Pages) newTheme() theme {
	style := p.tint.css() + stylesheet
	sum := sha256.Sum256([]byte(style))
	images := "'none'"
	if p.logo != nil {
		images = "'self'"
	}
	// The style sheet is inline, so that a page needs one request. The policy
	// allows it by its hash, and no other style.
	return theme{style, "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; img-src " + images + "; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"}
}

// begin returns a page up to and including its top heading.
func (p *Pages) begin(m *messages, head func(*page), heading func(*page), title string) *page {
	pg := &page{buf: make([]byte, 0, 16<<10)}
	pg.html("<!doctype html>\n<html")
	pg.attr("lang", m.Lang)
	pg.attr("dir", m.Dir)
	pg.html(">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n" +
		"<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"robots\" content=\"noindex\">\n")
	if p.logo != nil {
		pg.html(`<link rel="icon"`)
		pg.attr("href", p.logo.path)
		pg.html(">\n")
	}
	if head != nil {
		head(pg)
	}
	pg.html("<title>")
	pg.text(title + " - " + p.name)
	pg.html("</title>\n<style>")
	pg.buf = append(pg.buf, p.theme().style...)
	pg.html("</style>\n</head>\n<body>\n<header>")
	if p.logo != nil {
		pg.html("<img")
		pg.attr("src", p.logo.path)
		pg.html(` alt="">`) // the name is next to it
	}
	pg.html("<span>")
	pg.element("bdi", p.name)
	pg.html("</span></header>\n<main>\n<h1>")
	heading(pg)
	pg.html("</h1>\n")
	return pg
}

// end finishes the page and sends it.
func (p *Pages) end(w http.ResponseWriter, status int, pg *page) {
	pg.html("</main>\n</body>\n</html>\n")
	h := w.Header()
	for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Headers", "Access-Control-Allow-Methods",
		"Access-Control-Allow-Credentials", "Access-Control-Expose-Headers", "Access-Control-Max-Age"} {
		h.Del(name) // scripts of other origins must not read a page
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", p.theme().policy)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	// There is no Cross-Origin-Opener-Policy. Web clients open the sign-in in a
	// popup and wait for a message from their own page at its end. A policy on any
	// page between would take the opener away from that page for good.
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Robots-Tag", "noindex")
	h.Set("Content-Length", strconv.Itoa(len(pg.buf)))
	w.WriteHeader(status)
	_, _ = w.Write(pg.buf)
}

// fingerprintSize is the number of bytes of a fingerprint.
const fingerprintSize = 8

func fingerprint(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:fingerprintSize])
}
