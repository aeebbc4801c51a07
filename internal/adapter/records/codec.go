package records

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// schema is the version of the stored form that this code reads and writes.
const schema = 1

// Columns that fields of records have, by their tag.
const (
	columnVersion    = "version"
	columnGeneration = "generation"
	columnExpiry     = "expires_at"
	columnLastUse    = "last_used_at"
	columnStep       = "step"
	columnRevoked    = "revoked_at"
	columnUses       = "uses"
	columnMaxUses    = "max_uses"
)

// A field is a field of a record that has a column.
type field struct {
	index  int
	column string
	// count is whether the field is the number of members of a set. Neither
	// creations nor replacements write it.
	count bool
	// kept is whether replacements do not change it.
	kept bool
}

// A form is how a type of records is stored. An index of a field is -1 if the
// type has no such field.
type form struct {
	// key, version and unknown are the indexes of the record's key, of its version
	// and of what this program does not know.
	key, version, unknown int
	columns               []field
	// body is whether the type has a body.
	body bool
}

// formOf reads the tags of a type. The tag store is "key", "unknown" or the name
// of a column.
func formOf(t reflect.Type) form {
	f := form{key: -1, version: -1, unknown: -1}
	for i := range t.NumField() {
		tag, ok := t.Field(i).Tag.Lookup("store")
		name, option, _ := strings.Cut(tag, ",")
		switch {
		case !ok:
			f.body = true
			continue
		case name == "key":
			f.key = i
			continue
		case name == "unknown":
			f.unknown = i
			continue
		case name == columnVersion:
			f.version = i
		}
		f.columns = append(f.columns, field{i, name, option == "count", option == "kept"})
	}
	return f
}

// setVersion sets the version of a record, if it has one.
func (f *form) setVersion(record any, version int64) {
	if f.version >= 0 {
		reflect.ValueOf(record).Elem().Field(f.version).SetInt(version)
	}
}

// item returns the item of a record.
func (k kind[R]) item(r *R) (Item, error) {
	v, f := reflect.ValueOf(r).Elem(), k.form
	id := ""
	if f.key >= 0 {
		id = fmt.Sprint(v.Field(f.key).Interface())
	}
	it := Item{columnSchema: int64(schema), ColumnKey: k.name + id}
	if !isKey(it[ColumnKey].(string)) {
		return nil, errKey
	}
	for _, c := range f.columns {
		if x := toColumn(v.Field(c.index)); x != nil && !c.count {
			it[c.column] = x
		}
	}
	if at, ok := it[columnExpiry]; ok {
		it[ColumnTTL] = at
	}
	if k.derive != nil {
		k.derive(it, it[ColumnKey].(string), r)
	}
	if !f.body {
		return it, nil
	}
	stored := reflect.New(v.Type())
	stored.Elem().Set(v)
	rewrite(stored.Elem(), quote, broker.Seconds)
	body, err := json.Marshal(stored.Interface())
	if err == nil && f.unknown >= 0 && v.Field(f.unknown).Len() > 0 {
		body, err = withMembers(body, v.Field(f.unknown).Bytes())
	}
	it[columnBody] = string(body)
	return it, err
}

// errMissing is the error of a column that is not there or has another type.
var errMissing = errors.New("is missing or of another type")

// record returns the record that an item holds. An item that this program did
// not write becomes an error and never a record with missing fields.
func (k kind[R]) record(it Item) (*R, error) {
	id, err := idOf(it, k.name)
	if err != nil {
		return nil, err
	}
	r := new(R)
	if column, err := k.decode(it, id, r); err != nil {
		return nil, fmt.Errorf("item %q: column %s: %w", it[ColumnKey], column, err)
	}
	return r, nil
}

// decode reads an item into the record r, which is zero. With an error, it
// returns the column that has the fault.
func (k kind[R]) decode(it Item, id string, r *R) (column string, err error) {
	v, f := reflect.ValueOf(r).Elem(), k.form
	switch n, ok := it[columnSchema].(int64); {
	case !ok:
		return columnSchema, errMissing
	case n < 1 || n > schema:
		return columnSchema, fmt.Errorf("is %d, but this program can read 1 to %d", n, schema)
	case f.key >= 0 && !fromColumn(v.Field(f.key), id):
		return ColumnKey, errMissing
	}
	for _, c := range f.columns {
		if !fromColumn(v.Field(c.index), it[c.column]) {
			return c.column, errMissing
		}
	}
	if !f.body {
		return "", nil
	}
	body, ok := it[columnBody].(string)
	if !ok {
		return columnBody, errMissing
	}
	if err := json.Unmarshal([]byte(body), r); err != nil {
		return columnBody, err
	}
	// A member that is not there when the record is written again is one that this
	// program does not know.
	again, err := json.Marshal(r)
	if err == nil && f.unknown >= 0 && string(again) != body {
		var extra []byte
		extra, err = membersOnlyIn([]byte(body), again)
		v.Field(f.unknown).SetBytes(extra)
	}
	if strings.Contains(body, quotedMark) {
		rewrite(v, unquote, func(t time.Time) time.Time { return t })
	}
	return columnBody, err
}

// toColumn returns the value of a field's column, or nil if it has none.
func toColumn(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case time.Time:
		if !x.IsZero() {
			return x.Unix()
		}
	case []byte:
		if len(x) > 0 {
			return bytes.Clone(x)
		}
	case int:
		if x != 0 {
			return int64(x)
		}
	case int64:
		return x
	default:
		return v.String()
	}
	return nil
}

// fromColumn sets a field to the value of its column, nil if the item has no
// such column. It reports whether the field may have that value.
func fromColumn(v reflect.Value, x any) bool {
	n, isNumber := x.(int64)
	b, isBytes := x.([]byte)
	text, isText := x.(string)
	members, isSet := x.(Set)
	switch v.Addr().Interface().(type) {
	case *time.Time:
		if isNumber && n != never {
			v.Set(reflect.ValueOf(time.Unix(n, 0).UTC()))
		}
		return isNumber || x == nil
	case *[]byte:
		v.SetBytes(bytes.Clone(b))
		return isBytes || x == nil
	case *int:
		v.SetInt(n + int64(len(members)))
		return isNumber || isSet || x == nil
	case *int64:
		v.SetInt(n)
		return isNumber
	case *credential.Hash:
		h, err := credential.ParseHash(text)
		v.Set(reflect.ValueOf(h))
		return err == nil
	}
	v.SetString(text + string(b)) // bytes are a string that is not UTF-8
	return isText || isBytes
}

// JSON has no strings that are not UTF-8, and the broker returns to a client
// exactly the state that the client sent (RFC 6749 §4.1.2). Such a string is
// stored as a NUL and its bytes in base64, and so is one that begins with NUL.
const (
	mark       = "\x00"
	quotedMark = `"\u0000`
)

func quote(s string) string {
	if utf8.ValidString(s) && !strings.HasPrefix(s, mark) {
		return s
	}
	return mark + base64.RawStdEncoding.EncodeToString([]byte(s))
}

func unquote(s string) string {
	text, ok := strings.CutPrefix(s, mark)
	if !ok {
		return s
	}
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return s
	}
	return string(b)
}

// rewrite applies the functions to all strings and times of a record that are
// in its body. It does not change memory that v shares with a copy.
func rewrite(v reflect.Value, text func(string) string, at func(time.Time) time.Time) {
	if t, ok := v.Interface().(time.Time); ok {
		v.Set(reflect.ValueOf(at(t)))
		return
	}
	switch v.Kind() {
	case reflect.String:
		if s := v.String(); s != "" {
			if c := text(s); c != s {
				v.SetString(c)
			}
		}
	case reflect.Struct:
		if _, ok := v.Interface().(json.Marshaler); ok {
			return // its strings are JSON already
		}
		for i := range v.NumField() {
			if _, column := v.Type().Field(i).Tag.Lookup("store"); !column {
				rewrite(v.Field(i), text, at)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.String {
			return
		}
		if v.Len() == 0 {
			v.SetZero() // an empty list is read as nil
			return
		}
		c := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(c, v)
		for i := range c.Len() {
			rewrite(c.Index(i), text, at)
		}
		v.Set(c)
	}
}
