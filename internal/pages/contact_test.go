package pages

import (
	"net/http"
	"strings"
	"testing"
)

func TestContact(t *testing.T) {
	for _, tt := range []struct {
		contact string
		link    string // "" if New refuses the contact
	}{
		{"mailto:help@example.com", `<a rel="noreferrer" href="mailto:help@example.com"><bdi>help@example.com</bdi></a>`},
		{"mailto:help@example.com?subject=a&body=b", `<a rel="noreferrer" href="mailto:help@example.com?subject=a&amp;body=b"><bdi>help@example.com</bdi></a>`},
		{"https://example.com/help?a=1", `<a rel="noreferrer" href="https://example.com/help?a=1"><bdi>https://example.com/help?a=1</bdi></a>`},
		{"https://example.com/it's", `href="https://example.com/it&#39;s"><bdi>https://example.com/it&#39;s</bdi>`},
		{`https://example.com/"><script>`, ""},
		{"javascript:alert(1)", ""}, // would run on our page
		{"data:text/html,x@y", ""},
		{"http://example.com/help", ""},
		{"https://user:secret@example.com/", ""},
		{"https:///help", ""},
		{"mailto:", ""},
		{"mailto:help", ""},
		{"help@example.com", ""},
		{"https://example.com/\x7f", ""},
		{"mailto:%0a@b%0d%0aBcc:x", ""}, // a header of its own
	} {
		p, err := New(Brand{Name: "Example", Contact: tt.contact})
		if (err == nil) != (tt.link != "") {
			t.Errorf("New with the contact %q = %v", tt.contact, err)
		}
		if err != nil {
			continue
		}
		for _, kind := range Problems {
			body := render(func(w http.ResponseWriter) { p.Problem(w, ProblemView{Problem: kind}) }).Body.String()
			if strings.Count(body, tt.link) != 1 {
				t.Errorf("contact %q: the page of problem %d does not have %s once", tt.contact, kind, tt.link)
			}
		}
		// The user who may decide must not leave the page by accident.
		if body := render(func(w http.ResponseWriter) { p.Consent(w, sample()) }).Body.String(); strings.Contains(body, "<a ") {
			t.Errorf("contact %q: the consent page has a link", tt.contact)
		}
	}
}
