package dcr

import (
	"errors"
	"maps"
	"strings"
)

// Stated returns m with what a software statement says, whose claims are given as encoding/json decodes them:
// its values take precedence over those of m (RFC 7591 section 2.3). Claims that are no client
// metadata are ignored. What goes against a value of the statement goes with it: its text in other languages, and jwks
// beside jwks_uri. The result has no SoftwareStatement of its own; neither m nor claims are modified.
//
// An error is an *Error with code InvalidSoftwareStatement: a value is of the wrong type.
func (m ClientMetadata) Stated(claims map[string]any) (ClientMetadata, error) {
	stated, err := metadataOf(claims)
	if err != nil {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			return ClientMetadata{}, err
		}
		return ClientMetadata{}, Errorf(InvalidSoftwareStatement, "software_statement: %s", e.Description)
	}
	m = m.Clone()
	m.SoftwareStatement = ""
	plain, said := m.stringFields(), stated.stringFields()
	for i, f := range said {
		if *f.value == "" {
			continue
		}
		*plain[i].value = *f.value
		maps.DeleteFunc(m.Localized, func(name, _ string) bool { return strings.HasPrefix(name, f.name+"#") })
	}
	lists, saidLists := m.listFields(), stated.listFields()
	for i, f := range saidLists {
		if len(*f.value) > 0 {
			*lists[i].value = *f.value
		}
	}
	for name, value := range stated.Localized {
		if m.Localized == nil {
			m.Localized = make(map[string]string)
		}
		m.Localized[name] = value
	}
	switch {
	case len(stated.JWKS) > 0:
		m.JWKS, m.JWKSURI = stated.JWKS, stated.JWKSURI
	case stated.JWKSURI != "":
		m.JWKS = nil
	}
	return m, nil
}
