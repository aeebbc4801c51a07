package dcr

import (
	"maps"
	"slices"
	"strings"
)

// validateLocalized checks the members with a language tag (RFC 7591 §2.2).
func validateLocalized(m *ParsedMetadata) error {
	if len(m.Localized) > maxLocalized {
		return Errorf(InvalidClientMetadata, "at most %d members with a language tag are allowed", maxLocalized)
	}
	seen := make(map[string]bool)
	for _, name := range slices.Sorted(maps.Keys(m.Localized)) {
		base, tag, ok := localizable(name)
		if !ok || !validTag(tag) {
			return Errorf(InvalidClientMetadata, "%s: must be client_name, client_uri, logo_uri, tos_uri or policy_uri, '#' and a language tag, as in client_name#fr", Quote(name))
		}
		// Language tags do not distinguish case (RFC 5646 §2.1.1).
		folded := strings.ToLower(name)
		if seen[folded] {
			return Errorf(InvalidClientMetadata, "%s: occurs more than once, in upper and lower case", memberName(name))
		}
		seen[folded] = true
		value := m.Localized[name]
		if value == "" {
			delete(m.Localized, name)
			continue
		}
		if err := checkString(memberName(name), value, maxText); err != nil {
			return err
		}
		if base == "client_name" {
			continue
		}
		if err := checkLink(memberName(name), value); err != nil {
			return err
		}
	}
	if len(m.Localized) == 0 {
		m.Localized = nil
	}
	return nil
}

// validTag reports whether tag looks like a language tag of RFC 5646 §2.1:
// subtags of one to eight letters and digits, the first of letters. It does not
// search for the subtags in IANA's registry.
func validTag(tag string) bool {
	if len(tag) > maxTag {
		return false
	}
	for i, s := range strings.Split(tag, "-") {
		if len(s) < 1 || len(s) > 8 {
			return false
		}
		for j := 0; j < len(s); j++ {
			if !isAlnum(s[j]) || i == 0 && !isAlpha(s[j]) {
				return false
			}
		}
	}
	return true
}
