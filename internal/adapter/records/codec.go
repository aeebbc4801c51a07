package records

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
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

// tagKey is the column of a field that is the key of the record. It is not
// stored twice.
const tagKey = "key"

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

// A form is how a type of records is stored.
type form struct {
	columns []field
	// unknown is the index of the field with what this program does not know, -1
	// if the type has none.
	unknown int
	// body is whether the type has a body.
	body bool
}

var forms sync.Map // reflect.Type to *form

func formOf(t reflect.Type) *form {
	if f, ok := forms.Load(t); ok {
		return f.(*form)
	}
	f := &form{unknown: -1}
	for i := range t.NumField() {
		tag, ok := t.Field(i).Tag.Lookup("store")
		switch {
		case tag == "unknown":
			f.unknown = i
		case ok:
			name, option, _ := strings.Cut(tag, ",")
			f.columns = append(f.columns, field{i, name, option == "count", option == "kept"})
		default:
			f.body = true
		}
	}
	known, _ := forms.LoadOrStore(t, f)
	return known.(*form)
}

// encode returns the item of a record, without its key and without columns that
// only the kind of the record knows.
func encode(record any) (Item, error) {
	v := reflect.ValueOf(record).Elem()
	f := formOf(v.Type())
	it := Item{columnSchema: int64(schema)}
	for _, c := range f.columns {
		if x := toColumn(v.Field(c.index)); x != nil && !c.count && c.column != tagKey {
			it[c.column] = x
		}
	}
	if !f.body {
		return it, nil
	}
	stored := reflect.New(v.Type())
	stored.Elem().Set(v)
	change(stored.Elem(), quote, seconds)
	body, err := json.Marshal(stored.Interface())
	if err == nil && f.unknown >= 0 && v.Field(f.unknown).Len() > 0 {
		body, err = withMembers(body, v.Field(f.unknown).Bytes())
	}
	it[columnBody] = string(body)
	return it, err
}

// errMissing is the error of a column that is not there or has another type.
var errMissing = errors.New("is missing or of another type")

// decode reads an item into a record, which is zero. An item that this program
// did not write becomes an error and never a record with missing fields.
func decode(it Item, kind string, record any) error {
	v := reflect.ValueOf(record).Elem()
	f := formOf(v.Type())
	key, _ := it[ColumnKey].(string)
	id, ok := strings.CutPrefix(key, kind+"#")
	if !ok {
		return fmt.Errorf("item %q is not a record of the kind %s", key, kind)
	}
	if err := checkSchema(it); err != nil {
		return itemError(key, columnSchema, err)
	}
	for _, c := range f.columns {
		x := it[c.column]
		if c.column == tagKey {
			x = id
		}
		if !fromColumn(v.Field(c.index), x) {
			return itemError(key, c.column, errMissing)
		}
	}
	if !f.body {
		return nil
	}
	body, ok := it[columnBody].(string)
	if !ok {
		return itemError(key, columnBody, errMissing)
	}
	if err := json.Unmarshal([]byte(body), record); err != nil {
		return itemError(key, columnBody, err)
	}
	// A member that is not there when the record is written again is one that this
	// program does not know.
	again, err := json.Marshal(record)
	if err == nil && f.unknown >= 0 && string(again) != body {
		var extra []byte
		extra, err = membersOnlyIn([]byte(body), again)
		v.Field(f.unknown).SetBytes(extra)
	}
	if err != nil {
		return itemError(key, columnBody, err)
	}
	if strings.Contains(body, quotedMark) {
		change(v, unquote, func(t time.Time) time.Time { return t })
	}
	return nil
}

func checkSchema(it Item) error {
	n, ok := it[columnSchema].(int64)
	if !ok {
		return errMissing
	}
	if n < 1 || n > schema {
		return fmt.Errorf("is %d, but this program can read 1 to %d", n, schema)
	}
	return nil
}

func itemError(key, column string, err error) error {
	return fmt.Errorf("item %q: column %s: %w", key, column, err)
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

// seconds returns t as a store keeps it: in UTC, without a fraction of a
// second.
func seconds(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return broker.Seconds(t)
}

// change applies the functions to all strings and times of a record that are
// in its body. It does not change memory that v shares with a copy.
func change(v reflect.Value, text func(string) string, at func(time.Time) time.Time) {
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
				change(v.Field(i), text, at)
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
			change(c.Index(i), text, at)
		}
		v.Set(c)
	}
}
