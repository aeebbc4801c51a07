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

// Brand is how an operator's pages look.
type Brand struct {
	// Name is the operator's, as users know it. It must not be empty.
	Name string
	// Logo is a PNG or SVG image of at most MaxLogo bytes, or empty.
	Logo []byte
	// Accent is the colour of buttons and links, "#rrggbb", or empty. It need
	// not have contrast: the colours that are made from it have.
	Accent string
}

// MaxLogo is how large a logo may be, in bytes.
const MaxLogo = 64 << 10

// Pages writes pages. It is safe for concurrent use.
type Pages struct {
	name string
	logo *asset // nil if there is none
	tint palette

	// look is made at the first page: a function that starts does not need it.
	look func() look
}

// look is what all pages share.
type look struct {
	style  string
	policy string
}

// New checks the brand.
func New(b Brand) (*Pages, error) {
	name := visible(b.Name, maxName)
	if name.text == "" {
		return nil, errors.New("pages: the operator's name is empty")
	}
	logo, err := newLogo(b.Logo)
	if err != nil {
		return nil, err
	}
	accent := defaultAccent
	if b.Accent != "" {
		if accent, err = parseColour(b.Accent); err != nil {
			return nil, err
		}
	}
	p := &Pages{name: name.text, logo: logo, tint: newPalette(accent)}
	p.look = sync.OnceValue(p.makeLook)
	return p, nil
}

func (p *Pages) makeLook() look {
	style := p.tint.css() + stylesheet
	sum := sha256.Sum256([]byte(style))
	images := "'none'"
	if p.logo != nil {
		images = "'self'"
	}
	// The style sheet is allowed by its hash: it is in the page, so that a page
	// is one request, and no other style applies.
	return look{style, "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; img-src " + images + "; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"}
}

// begin starts a page up to and including its top heading.
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
	pg.buf = append(pg.buf, p.look().style...)
	pg.html("</style>\n</head>\n<body>\n<header>")
	if p.logo != nil {
		pg.html("<img")
		pg.attr("src", p.logo.path)
		pg.html(` alt="">`) // the name stands beside it
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
		h.Del(name) // a page is for the browser's user, not for scripts of other origins
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", p.look().policy)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Robots-Tag", "noindex")
	h.Set("Content-Length", strconv.Itoa(len(pg.buf)))
	w.WriteHeader(status)
	_, _ = w.Write(pg.buf)
}

func fingerprint(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}
