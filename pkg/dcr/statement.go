package dcr

import (
	"errors"
	"maps"
	"strings"
)

// WithStatement returns m with the claims of a software statement, which take
// precedence over the values of m (RFC 7591 §2.3). claims has the form in which
// encoding/json decodes them. Claims that are not client metadata are ignored.
//
// A value of m that contradicts a claim is removed: the text in other languages
// for a text of the statement, and jwks for jwks_uri or the reverse. The result
// has no SoftwareStatement; neither m nor claims are modified.
//
// An error is an *Error with code InvalidSoftwareStatement: a claim is of the
// wrong type.
func (m ClientMetadata) WithStatement(claims map[string]any) (ClientMetadata, error) {
	claimed, err := metadataOf(claims)
	if err != nil {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			return ClientMetadata{}, err
		}
		return ClientMetadata{}, Errorf(InvalidSoftwareStatement, "software_statement: %s", e.Description)
	}
	m = m.Clone()
	m.SoftwareStatement = ""
	texts, claimedTexts := m.stringFields(), claimed.stringFields()
	for i, f := range claimedTexts {
		if *f.value == "" {
			continue
		}
		*texts[i].value = *f.value
		maps.DeleteFunc(m.Localized, func(name, _ string) bool { return strings.HasPrefix(name, f.name+"#") })
	}
	lists, claimedLists := m.listFields(), claimed.listFields()
	for i, f := range claimedLists {
		if len(*f.value) > 0 {
			*lists[i].value = *f.value
		}
	}
	for name, value := range claimed.Localized {
		if m.Localized == nil {
			m.Localized = make(map[string]string)
		}
		m.Localized[name] = value
	}
	// jwks and jwks_uri must not both be present (RFC 7591 §2).
	switch {
	case len(claimed.JWKS) > 0:
		m.JWKS, m.JWKSURI = claimed.JWKS, claimed.JWKSURI
	case claimed.JWKSURI != "":
		m.JWKS = nil
	}
	return m, nil
}
