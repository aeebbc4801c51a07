package broker

import "strings"

// Printable reports whether s has printable ASCII characters only, the VSCHAR of
// RFC 6749 appendix A.
func Printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// PublicDescription returns Cognito's description of an error, or "" if it is
// long or has characters that RFC 6749 §4.1.2.1 and §5.2 do not allow: they allow
// printable ASCII without double quote and backslash.
func PublicDescription(s string) string {
	if len(s) > 300 || !Printable(s) || strings.ContainsAny(s, `"\`) {
		return ""
	}
	return s
}
