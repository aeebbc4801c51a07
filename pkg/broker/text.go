package broker

import "strings"

// Printable reports whether s has only printable ASCII characters, the VSCHAR
// of RFC 6749 appendix A.
func Printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// PublicDescription returns Cognito's error_description, or "" if a client must
// not get it: it is longer than 300 bytes, or has characters that RFC 6749
// §4.1.2.1 and §5.2 do not allow. They allow printable ASCII without double
// quote and backslash.
func PublicDescription(s string) string {
	if len(s) > 300 || !Printable(s) || strings.ContainsAny(s, `"\`) {
		return ""
	}
	return s
}
