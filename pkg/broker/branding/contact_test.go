package branding_test

import (
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker/branding"
)

func TestParseContact(t *testing.T) {
	for contact, want := range map[string]string{ // "" if it is refused
		"https://example.com":                                "https://example.com",
		"https://example.com:8443/help?from=mcp#top":         "https://example.com:8443/help?from=mcp#top",
		"mailto:help@example.com":                            "help@example.com",
		"mailto:help+mcp@example.com?subject=MCP":            "help+mcp@example.com",
		"mailto:h%C3%A9l@example.com":                        "hél@example.com",
		"mailto:a@example.com?body=one%0D%0Atwo&subject=%41": "a@example.com",

		"": "", "help@example.com": "", "javascript:alert(1)": "", "http://example.com": "", "HTTPS://example.com": "",
		"https://": "", "https://:80/": "", "https://a.b:0/": "", "https://a.b:99999/": "", "https://u@example.com": "",
		`https://a.b"><script>x</script>/y`: "", "https://a.b/ c": "", "https://a.b/\u00e9": "",
		"mailto:": "", "mailto:a%40b": "", "mailto:help": "", "mailto:@b": "", "mailto:a@": "", "mailto:a@b@c": "", "mailto:a@b,c@d": "", "mailto:a%20b@c": "", "mailto://a@b": "",
		// Line ends would begin another header of the message.
		"mailto:%0a@b%0d%0aBcc:x": "", "mailto:a@b?subject=x%0D%0ABcc:y": "", "mailto:a@b?sub%0Aject=x": "", "mailto:a@b?subject=%zz": "", "mailto:%zz@b": "",
	} {
		got, err := branding.ParseContact(contact)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("ParseContact(%q) = %q, %v, want %q", contact, got, err, want)
		}
	}
}
