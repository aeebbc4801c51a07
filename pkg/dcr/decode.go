package dcr

import (
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"
)

// MaxBody is the maximum size of a registration request, in bytes.
const MaxBody = 64 << 10

// Request is the body of a registration (RFC 7591 §3.1) or of an update
// (RFC 7592 §2.2).
type Request struct {
	// Metadata has the members of RFC 7591 §2.
	Metadata ClientMetadata
	// SoftwareStatement has the shape of a compact JWS; its signature is not
	// verified (RFC 7591 §2.3). OPTIONAL.
	SoftwareStatement string

	// ClientID is the id of the client that sends an update. REQUIRED in an
	// update, ignored in a registration.
	ClientID string
	// ClientSecret is the client's current secret; an update cannot choose
	// another one. OPTIONAL in an update, ignored in a registration.
	ClientSecret string

	// Forbidden names the members that were sent and that an update must not
	// have (RFC 7592 §2.2). A registration ignores them.
	Forbidden []string
}

// LogValue implements slog.LogValuer: an update carries the client secret.
func (r Request) LogValue() slog.Value { return slog.StringValue(redacted) }

func (r Request) String() string   { return redacted }
func (r Request) GoString() string { return redacted }

// Decode reads a request body (RFC 7591 §3.1). Errors are of type *Error:
// PayloadTooLarge beyond MaxBody, InvalidRedirectURI for a redirect_uris that
// is not an array of strings, InvalidSoftwareStatement for that member,
// InvalidClientMetadata for everything else, including a body that is not JSON.
//
// Member names are matched exactly, and a name that is repeated anywhere in the
// body is refused. Unknown members are ignored, as RFC 7591 §2 requires. null
// and "" mean that a member is absent. In an array null is refused. "" is
// refused in redirect_uris and dropped in the other arrays.
// refused in redirect_uris and dropped in the other arrays.
func Decode(body []byte) (*Request, error) {
	if len(body) > MaxBody {
		return nil, Errorf(PayloadTooLarge, "the request body is longer than %d bytes", MaxBody)
	}
	o, err := parseObject(body)
	if err != nil {
		return nil, err
	}
	r := new(Request)
	if r.Metadata, err = metadataOf(o); err != nil {
		return nil, err
	}
	if r.ClientID, err = stringOf(o, "client_id"); err != nil {
		return nil, err
	}
	if r.ClientSecret, err = stringOf(o, "client_secret"); err != nil {
		return nil, err
	}
	if r.SoftwareStatement, err = softwareStatementOf(o); err != nil {
		return nil, err
	}
	// RFC 7592 §2.2: an update must not include these members.
	for _, name := range []string{
		"registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at",
	} {
		if v, ok := o[name]; ok && v != nil && v != "" {
			r.Forbidden = append(r.Forbidden, name)
		}
	}
	return r, nil
}

// metadataOf returns the members of RFC 7591 §2 in a JSON object.
// software_statement (§2.3) is not one of them.
func metadataOf(o map[string]any) (ClientMetadata, error) {
	var m ClientMetadata
	var err error
	for _, f := range m.stringFields() {
		if *f.value, err = stringOf(o, f.name); err != nil {
			return ClientMetadata{}, err
		}
	}
	for _, f := range m.listFields() {
		if *f.value, err = listOf(o, f.name); err != nil {
			return ClientMetadata{}, err
		}
	}
	if m.JWKS, err = jwksOf(o); err != nil {
		return ClientMetadata{}, err
	}
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if _, _, ok := localizable(name); !ok {
			continue
		}
		value, err := stringOf(o, name)
		if err != nil {
			return ClientMetadata{}, err
		}
		if value == "" {
			continue
		}
		if m.Localized == nil {
			m.Localized = make(map[string]string)
		}
		m.Localized[name] = value
	}
	return m, nil
}

func stringOf(o map[string]any, name string) (string, error) {
	switch v := o[name].(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	default:
		if name == "scope" {
			return "", Errorf(InvalidClientMetadata, "scope: must be one string of values separated by spaces, not %s", kindOf(v))
		}
		return "", Errorf(InvalidClientMetadata, "%s: must be a string, not %s", memberName(name), kindOf(v))
	}
}

func listOf(o map[string]any, name string) ([]string, error) {
	code := InvalidClientMetadata
	if name == "redirect_uris" {
		code = InvalidRedirectURI
	}
	if o[name] == nil || o[name] == "" {
		return nil, nil
	}
	elements, ok := o[name].([]any)
	if !ok {
		return nil, Errorf(code, "%s: must be an array of strings, not %s", name, kindOf(o[name]))
	}
	var list []string
	for i, e := range elements {
		s, ok := e.(string)
		if !ok {
			return nil, Errorf(code, "%s[%d]: must be a string, not %s", name, i, kindOf(e))
		}
		if s == "" && name == "redirect_uris" {
			return nil, Errorf(code, "%s[%d]: must not be empty", name, i)
		}
		if s != "" {
			list = append(list, s)
		}
	}
	return list, nil
}

// jwksOf returns the jwks member in canonical form.
func jwksOf(o map[string]any) (json.RawMessage, error) {
	v := o["jwks"]
	if v == nil || v == "" {
		return nil, nil
	}
	if _, ok := v.(map[string]any); !ok {
		return nil, Errorf(InvalidClientMetadata, "jwks: must be an object with a keys array, not %s", kindOf(v))
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, Errorf(InvalidClientMetadata, "jwks: not a JSON Web Key Set")
	}
	return b, nil
}

// softwareStatementOf returns the software_statement member if it has the shape
// of a compact JWS (RFC 7515 §7.1). A statement must be signed (RFC 7591 §2.3),
// so an empty signature is refused.
func softwareStatementOf(o map[string]any) (string, error) {
	v := o["software_statement"]
	if v == nil || v == "" {
		return "", nil
	}
	s, ok := v.(string)
	if !ok {
		return "", Errorf(InvalidSoftwareStatement, "software_statement: must be a string, not %s", kindOf(v))
	}
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return "", Errorf(InvalidSoftwareStatement, "software_statement: must be a signed JWT in compact form, three parts separated by dots")
	}
	for _, p := range parts {
		if _, err := base64.RawURLEncoding.Strict().DecodeString(p); err != nil || p == "" || strings.ContainsAny(p, "\r\n") {
			return "", Errorf(InvalidSoftwareStatement, "software_statement: each of its three parts must be base64url without padding, and none empty")
		}
	}
	return s, nil
}

// memberName returns the name of a member for an error description. A name with
// a language tag is the client's text, so its unprintable characters are
// replaced.
func memberName(name string) string {
	if _, _, ok := localizable(name); ok {
		return printable(name, 64)
	}
	return name
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case json.Number, float64: // float64 in the claims of WithStatement
		return "a number"
	case bool:
		return "a boolean"
	case []any:
		return "an array"
	}
	return "an object"
}
