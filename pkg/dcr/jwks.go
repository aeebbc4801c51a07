package dcr

import "slices"

// validateKeys checks the shape of jwks (RFC 7517 §5): an object with an array
// keys of objects. It keeps only what a public key can have. The broker stores the
// keys and sends them back, and does not use them.
func validateKeys(m *ParsedMetadata) error {
	if len(m.JWKS) == 0 {
		m.JWKS = nil
		return nil
	}
	// jwks and jwks_uri must not both be present (RFC 7591 §2).
	if m.JWKSURI != "" {
		return Errorf(InvalidClientMetadata, "jwks: not allowed together with jwks_uri; send one of them")
	}
	set, err := parseObject(m.JWKS)
	if err != nil {
		return Errorf(InvalidClientMetadata, "jwks: must be a JSON object with a keys array")
	}
	keys, ok := set["keys"].([]any)
	if !ok {
		return Errorf(InvalidClientMetadata, "jwks: must be a JSON object with a keys array")
	}
	public := make([]any, len(keys))
	for i, k := range keys {
		key, ok := k.(map[string]any)
		if !ok {
			return Errorf(InvalidClientMetadata, "jwks: keys[%d]: must be an object, not %s", i, kindOf(k))
		}
		if public[i], err = publicKey(i, key); err != nil {
			return err
		}
	}
	m.JWKS, err = jwksOf(map[string]any{"jwks": map[string]any{"keys": public}})
	return err
}

// publicKey returns the public members of keys[i], or an error if it is no public
// key.
func publicKey(i int, key map[string]any) (map[string]any, error) {
	if kty, _ := key["kty"].(string); kty == "" {
		return nil, Errorf(InvalidClientMetadata, "jwks: keys[%d]: kty: required (RFC 7517 section 4.1)", i)
	} else if kty == "oct" {
		return nil, Errorf(InvalidClientMetadata, "jwks: keys[%d]: symmetric keys are not allowed; register public keys", i)
	}
	for _, name := range privateMembers {
		if _, there := key[name]; there {
			return nil, Errorf(InvalidClientMetadata, "jwks: keys[%d]: %s: a part of a private or symmetric key, which is not allowed; register public keys", i, name)
		}
	}
	public := make(map[string]any)
	for name, value := range key {
		switch {
		case slices.Contains(textMembers, name):
			if _, ok := value.(string); !ok {
				return nil, Errorf(InvalidClientMetadata, "jwks: keys[%d]: %s: must be a string, not %s", i, name, kindOf(value))
			}
		case slices.Contains(listMembers, name):
			list, ok := value.([]any)
			if !ok || slices.ContainsFunc(list, func(v any) bool { _, ok := v.(string); return !ok }) {
				return nil, Errorf(InvalidClientMetadata, "jwks: keys[%d]: %s: must be an array of strings", i, name)
			}
		default:
			continue
		}
		public[name] = value
	}
	return public, nil
}

// privateMembers are the members of a JSON Web Key that only a private or a
// symmetric key has: those of EC, RSA and oct (RFC 7518 §6), which are those of
// OKP (RFC 8037 §2) too, and that of AKP. They are refused in keys of every type:
// the broker would store them and send them back.
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}

// textMembers and listMembers are the other members of a JSON Web Key: those of
// every key (RFC 7517 §4), of EC, RSA and OKP, and that of AKP. Members with
// another name are left out, as RFC 7517 §4 says: there, a private part of a key
// could be stored under a name that is not known here.
var (
	textMembers = []string{"kty", "use", "alg", "kid", "x5u", "x5t", "x5t#S256", "crv", "x", "y", "n", "e", "pub"}
	listMembers = []string{"key_ops", "x5c"}
)
