package pages

import "strings"

// markup is HTML that we wrote. Constants become it by themselves, values of
// type string do not: what was not written here can only get into a page
// escaped.
type markup string

// text is a message, see messages. It is escaped like any other text.
type text string

// page is an HTML page that is being put together.
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

// part is a value for a placeholder of a message, put in as an element.
type part struct {
	placeholder string
	tag         markup
	value       string
}

// isolated is a part whose direction of writing cannot reach the text around
// it.
func isolated(placeholder, value string) part { return part{placeholder, "bdi", value} }

// say adds a message. {x} in it stands for the part with that placeholder.
func (p *page) say(t text, parts ...part) {
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
	p.say(t, parts...)
	p.html("</p>\n")
}
