package dcr

import (
	"strings"
	"testing"
)

// checkDescription checks the characters of RFC 6749 §5.2, the length, and that
// the description is not empty.
func checkDescription(t *testing.T, e *Error) {
	t.Helper()
	if e.Description == "" || len(e.Description) > maxDescription {
		t.Errorf("description has %d characters, want 1 to %d: %q", len(e.Description), maxDescription, e.Description)
	}
	for _, c := range []byte(e.Description) {
		if c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			t.Errorf("description has the character %q: %q", c, e.Description)
		}
	}
}

func TestErrorfSendsNothingHarmful(t *testing.T) {
	tests := []struct{ in, want string }{
		{"plain text, 100% of it", "plain text, 100% of it"},
		{`say "x"`, "say 'x'"},
		{`a\b`, "a?b"},
		{"a\r\nSet-Cookie: x\x00\x7f", "a??Set-Cookie: x??"}, // is also sent in a header (RFC 6750 §3)
		{"naïve \u202e 名", "na?ve ? ?"},
		{"\xff", "?"},
		{strings.Repeat("x", maxDescription), strings.Repeat("x", maxDescription)},
		{strings.Repeat("é", maxDescription+1), strings.Repeat("?", maxDescription-3) + "..."},
	}
	for _, tt := range tests {
		e := Errorf(InvalidRequest, "%s", tt.in)
		if e.Description != tt.want {
			t.Errorf("Errorf(%q).Description = %q, want %q", tt.in, e.Description, tt.want)
		}
		checkDescription(t, e)
	}
}

func TestQuoteIsBoundedAndCannotBeClosed(t *testing.T) {
	tests := []struct{ in, want string }{
		{"mcp/read", "'mcp/read'"},
		{"a' or 'b", "'a? or ?b'"},
		{`a" or "b`, "'a? or ?b'"},
		{strings.Repeat("x", 65), "'" + strings.Repeat("x", 61) + "...'"},
	}
	for _, tt := range tests {
		if got := Quote(tt.in); got != tt.want {
			t.Errorf("Quote(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestErrorTextHasCodeAndDescription(t *testing.T) {
	if got, want := Errorf(InvalidToken, "expired").Error(), "invalid_token: expired"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	if got, want := (&Error{Code: TokenRequired}).Error(), "token_required"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}
