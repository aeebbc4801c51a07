package dynamo

import (
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// text returns the value for a string from a client or user. A string that is
// not UTF-8 becomes a binary value, because the SDK would change it, and the
// client must get back exactly the state that it sent (RFC 6749 §4.1.2).
func text(s string) types.AttributeValue {
	if !utf8.ValidString(s) {
		return &types.AttributeValueMemberB{Value: []byte(s)}
	}
	return str(s)
}

// putText adds an attribute, unless s is empty.
func putText(it item, name, s string) {
	if s != "" {
		it[name] = text(s)
	}
}

// putTexts adds a list, unless it is empty.
func putTexts(it item, name string, l []string) {
	if len(l) == 0 {
		return
	}
	values := make([]types.AttributeValue, len(l))
	for i, s := range l {
		values[i] = text(s)
	}
	it[name] = &types.AttributeValueMemberL{Value: values}
}

// putHashes adds a list, unless it is empty.
func putHashes(it item, name string, l []credential.Hash) {
	texts := make([]string, len(l))
	for i, h := range l {
		texts[i] = h.String()
	}
	putTexts(it, name, texts)
}

func boolean(b bool) types.AttributeValue { return &types.AttributeValueMemberBOOL{Value: b} }

// text returns a required attribute.
func (r *reader) text(name string) string {
	s, ok := textOf(r.it[name])
	if !ok {
		r.fail(name, errMissing)
	}
	return s
}

// optionalText returns an attribute, or "" if there is none.
func (r *reader) optionalText(name string) string {
	if _, ok := r.it[name]; !ok {
		return ""
	}
	return r.text(name)
}

// texts returns a list, or nil if there is none.
func (r *reader) texts(name string) []string {
	if _, ok := r.it[name]; !ok {
		return nil
	}
	l, ok := r.it[name].(*types.AttributeValueMemberL)
	if !ok {
		r.fail(name, errMissing)
		return nil
	}
	var all []string
	for _, v := range l.Value {
		s, ok := textOf(v)
		if !ok {
			r.fail(name, errMissing)
			return nil
		}
		all = append(all, s)
	}
	return all
}

// hashes returns a list, or nil if there is none.
func (r *reader) hashes(name string) []credential.Hash {
	var all []credential.Hash
	for _, s := range r.texts(name) {
		h, err := credential.ParseHash(s)
		if err != nil {
			r.fail(name, err)
			return nil
		}
		all = append(all, h)
	}
	return all
}

// boolean returns a required attribute.
func (r *reader) boolean(name string) bool {
	b, ok := r.it[name].(*types.AttributeValueMemberBOOL)
	if !ok {
		r.fail(name, errMissing)
		return false
	}
	return b.Value
}

// optionalBoolean returns an attribute, or false if there is none.
func (r *reader) optionalBoolean(name string) bool {
	if _, ok := r.it[name]; !ok {
		return false
	}
	return r.boolean(name)
}

func textOf(v types.AttributeValue) (string, bool) {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return v.Value, true
	case *types.AttributeValueMemberB:
		return string(v.Value), true
	}
	return "", false
}
