package pages

import "strings"

// markup is HTML from this package. An untyped constant converts to it
// implicitly, but a value of type string does not: other text can only get into
// a page escaped.
type markup string

// text is a message, see messages. It is escaped like other text.
type text string

// page is an HTML page under construction.
type page struct {
	buf []byte
}

// html adds markup.
func (p *page) html(parts ...markup) {
	for _, m := range parts {
		p.buf = append(p.buf, m...)
	}
}

// text adds s, escaped, for use as content or as the value of a quoted
// attribute.
func (p *page) text(s string) {
	for {
		i := strings.IndexAny(s, "&<>\"'\x00")
		if i < 0 {
			p.buf = append(p.buf, s...)
			return
		}
		p.buf = append(p.buf, s[:i]...)
		switch s[i] {
		case '&':
			p.html("&amp;")
		case '<':
			p.html("&lt;")
		case '>':
			p.html("&gt;")
		case '"':
			p.html("&#34;")
		case '\'':
			p.html("&#39;")
		default:
			p.html("\uFFFD")
		}
		s = s[i+1:]
	}
}

// element adds an element that holds s and has no attributes.
func (p *page) element(tag markup, s string) {
	p.html("<", tag, ">")
	p.text(s)
	p.html("</", tag, ">")
}

// attr adds an attribute to a start tag that is still open.
func (p *page) attr(name markup, value string) {
	p.html(" ", name, `="`)
	p.text(value)
	p.html(`"`)
}

// hidden adds a field to a form.
func (p *page) hidden(name markup, value string) {
	p.html(`<input type="hidden" name="`, name, `"`)
	p.attr("value", value)
	p.html(">")
}

// part is the value of a placeholder in a message, inserted as an element.
type part struct {
	placeholder string
	tag         markup
	value       string
}

// isolated returns a part whose text direction does not affect the text around
// it.
func isolated(placeholder, value string) part { return part{placeholder, "bdi", value} }

// message adds a message. {x} in it stands for the part with that placeholder.
func (p *page) message(t text, parts ...part) {
	s := string(t)
	for s != "" {
		before, rest, found := strings.Cut(s, "{")
		p.text(before)
		if !found {
			return
		}
		name, after, _ := strings.Cut(rest, "}")
		for _, v := range parts {
			if v.placeholder == name {
				p.element(v.tag, v.value)
			}
		}
		s = after
	}
}

// paragraph adds a message as a paragraph, unless it is empty.
func (p *page) paragraph(t text, parts ...part) {
	if t == "" {
		return
	}
	p.html("<p>")
	p.message(t, parts...)
	p.html("</p>\n")
}
