package dcr

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is the maximum nesting of arrays and objects. A JWK Set with
// certificates needs four levels.
const maxDepth = 16

// parseObject reads b as one JSON object, into string, json.Number, bool, nil,
// []any and map[string]any. It refuses input that encoding/json accepts: a
// repeated member name at any depth (RFC 7493 §2.3), text that is not UTF-8 and
// escaped halves of surrogate pairs (RFC 7493 §2.1; encoding/json replaces both
// by U+FFFD), and deep nesting.
func parseObject(b []byte) (map[string]any, error) {
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, Errorf(InvalidClientMetadata, "the request body is empty; it must be a JSON object")
	}
	if bytes.HasPrefix(b, []byte("\xef\xbb\xbf")) {
		return nil, Errorf(InvalidClientMetadata, "the request body starts with a byte order mark; send JSON without one (RFC 8259 section 8.1)")
	}
	if !utf8.Valid(b) {
		return nil, Errorf(InvalidClientMetadata, "the request body is not UTF-8")
	}
	if err := checkText(b); err != nil {
		return nil, err
	}
	// Unmarshal checks the whole body first: the token reader alone does not
	// see text after the value.
	var raw json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return nil, malformed(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	v, err := parseValue(d)
	if err != nil {
		return nil, err
	}
	o, ok := v.(map[string]any)
	if !ok {
		return nil, Errorf(InvalidClientMetadata, "the request body must be a JSON object, not %s", kindOf(v))
	}
	return o, nil
}

// parseValue reads the next value. The caller has checked that the text is
// valid JSON of bounded depth.
func parseValue(d *json.Decoder) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, malformed(err)
	}
	switch t {
	case json.Delim('{'):
		return parseMembers(d)
	case json.Delim('['):
		return parseElements(d)
	}
	return t, nil
}

// parseElements reads the rest of an array.
func parseElements(d *json.Decoder) ([]any, error) {
	list := []any{}
	for d.More() {
		v, err := parseValue(d)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	if _, err := d.Token(); err != nil { // the closing bracket
		return nil, malformed(err)
	}
	return list, nil
}

// parseMembers reads the rest of an object.
func parseMembers(d *json.Decoder) (map[string]any, error) {
	o := make(map[string]any)
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, malformed(err)
		}
		name, _ := t.(string) // the decoder returns only strings here
		if _, ok := o[name]; ok {
			return nil, Errorf(InvalidClientMetadata, "the member %s occurs more than once in one object", Quote(name))
		}
		if o[name], err = parseValue(d); err != nil {
			return nil, err
		}
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return nil, malformed(err)
	}
	return o, nil
}

// malformed turns an error of encoding/json into one for the client.
func malformed(err error) *Error {
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		return Errorf(InvalidClientMetadata, "the request body is not valid JSON (at byte %d)", s.Offset)
	}
	return Errorf(InvalidClientMetadata, "the request body is not valid JSON")
}

// checkText checks nesting and escaped surrogates. It works on any text, valid
// JSON or not: it has to run before the parser, which recurses.
func checkText(b []byte) error {
	depth, inString := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString && c == '\\':
			n, ok := escape(b[i:])
			if !ok {
				return Errorf(InvalidClientMetadata, "the request body has an escape for half a surrogate pair (at byte %d)", i)
			}
			i += n - 1
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return Errorf(InvalidClientMetadata, "the request body is nested deeper than %d levels", maxDepth)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

// escape returns the length of the escape sequence at the start of b, or of two
// for a surrogate pair, and false for half of a pair. The JSON parser refuses
// text that is not an escape sequence.
func escape(b []byte) (n int, ok bool) {
	r, isUnicode := unicodeEscape(b)
	if !isUnicode {
		return min(2, len(b)), true
	}
	if !utf16.IsSurrogate(r) {
		return 6, true
	}
	low, _ := unicodeEscape(b[6:])
	return 12, utf16.DecodeRune(r, low) != utf8.RuneError
}

// unicodeEscape reads a \uXXXX at the start of b.
func unicodeEscape(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	return rune(n), err == nil
}
