package contract

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// An OpenConfigurationStore opens an empty store.
type OpenConfigurationStore func(t *testing.T) configuration.Store

// TestConfigurationStore tests that the store which open returns keeps the
// contract of configuration.Store. To test calls that are sent twice, run it
// once more with a store that sends each call twice.
func TestConfigurationStore(t *testing.T, open func(t *testing.T) configuration.Store) {
	for name, test := range map[string]func(*testing.T, OpenConfigurationStore){
		"a store without documents":           testNoConfiguration,
		"every field is kept":                 testEveryFieldOfVersions,
		"documents are kept byte for byte":    testDocuments,
		"only the next number is stored":      testNextVersion,
		"the last versions are kept":          testKeptVersions,
		"one of several Appends at once wins": testOneAppendWins,
		"a losing Append spoils no document":  testLostAppend,
		"a document that is too large":        testLargeDocument,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

// document returns a document that differs for each text. Those of every second
// number are large: a store may keep a small document in two places.
func document(text string) []byte {
	body := fmt.Appendf(nil, `{"version":1,"text":%q}`, text)
	if (text[len(text)-1]-'0')%2 == 0 {
		body = append(body, strings.Repeat(" ", 20<<10)...)
	}
	return body
}

// version returns a version of a document, with every field set.
func version(number int, body []byte) configuration.Version {
	c := fake.NewClock()
	return configuration.Version{
		Number: number, Schema: 1, Digest: configuration.Digest(body), By: fmt.Sprintf("operator %d \u00e9<&>", number),
		At: c.Second(), Restores: number / 2,
	}
}

// wantVersions fails the test unless the store has exactly these versions, each
// with its document.
func wantVersions(t *testing.T, what string, s configuration.Reader, want ...configuration.Version) {
	t.Helper()
	got, err := s.Versions(t.Context())
	check(t, what+": Versions", err, nil)
	if len(got) == 0 && len(want) == 0 {
		return
	}
	diff(t, what, got, want)
	for _, v := range want {
		body, err := s.Body(t.Context(), v)
		check(t, fmt.Sprintf("%s: Body of version %d", what, v.Number), err, nil)
		if d := configuration.Digest(body); d != v.Digest {
			t.Errorf("%s: version %d has a document with the digest %s, want %s", what, v.Number, d, v.Digest)
		}
	}
}

// wantNoBody fails the test if a document is stored.
func wantNoBody(t *testing.T, what string, s configuration.Reader, v configuration.Version) {
	t.Helper()
	if body, err := s.Body(t.Context(), v); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("%s: version %d with the digest %s has %d bytes and error %v, want %v", what, v.Number, v.Digest, len(body), err, broker.ErrNotFound)
	}
}

// appendVersions stores versions from number first to last, and returns them
// newest first.
func appendVersions(t *testing.T, s configuration.Store, first, last int) []configuration.Version {
	t.Helper()
	var all []configuration.Version
	for n := first; n <= last; n++ {
		body := document(fmt.Sprint(n))
		v := version(n, body)
		check(t, fmt.Sprintf("Append version %d", n), s.Append(t.Context(), v, body), nil)
		all = append(all, v)
	}
	slices.Reverse(all)
	return all
}

func testNoConfiguration(t *testing.T, open OpenConfigurationStore) {
	s := open(t)
	wantVersions(t, "an empty store", s)
	body := document("x")
	wantNoBody(t, "an empty store", s, version(1, body))
	for _, number := range []int{-1, 0, 2, 20} {
		check(t, fmt.Sprintf("Append version %d", number), s.Append(t.Context(), version(number, body), body), configuration.ErrChanged)
		wantVersions(t, "a refused Append", s)
		wantNoBody(t, "a refused Append", s, version(number, body))
	}
	for _, id := range foreignIDs() {
		wantNoBody(t, "a digest that is none", s, configuration.Version{Number: 1, Digest: id})
	}
}

func testEveryFieldOfVersions(t *testing.T, open OpenConfigurationStore) {
	s, filler := open(t), newFiller(fake.NewClock())
	var v configuration.Version
	filler.fill(t, "Version", reflect.ValueOf(&v).Elem())
	body := document("x")
	v.Number, v.Digest = 1, configuration.Digest(body)
	check(t, "Append", s.Append(t.Context(), v, body), nil)
	wantVersions(t, "a full version", s, v)
	least := configuration.Version{Number: 2, Digest: v.Digest, At: v.At}
	check(t, "Append", s.Append(t.Context(), least, body), nil)
	wantVersions(t, "a full version and one with few fields", s, least, v)
	got, err := s.Versions(t.Context())
	check(t, "Versions", err, nil)
	clear(got)
	wantVersions(t, "after changes to a copy", s, least, v)
}

func testDocuments(t *testing.T, open OpenConfigurationStore) {
	s := open(t)
	for i, body := range [][]byte{
		[]byte("{\n\t\"a\" : \"\\u0000 \u00e9 \U0001f512 <&> '\"\r\n}\n"),
		[]byte("\x00 and \xff\xfe are kept too"),
		bytes.Repeat([]byte(`"`), configuration.MaxSize),        // twice as long as JSON
		bytes.Repeat([]byte("\u00e9"), configuration.MaxSize/2), // two bytes each
		nil,
	} {
		v := version(i+1, body)
		given := bytes.Clone(body)
		check(t, "Append", s.Append(t.Context(), v, given), nil)
		clear(given)
		got, err := s.Body(t.Context(), v)
		check(t, "Body", err, nil)
		if !bytes.Equal(got, body) {
			t.Errorf("a document of %d bytes: got %d bytes %.100q, want %.100q", len(body), len(got), got, body)
		}
		clear(got)
		if got, err = s.Body(t.Context(), v); !bytes.Equal(got, body) {
			t.Errorf("after changes to a copy: got %.100q, %v, want %.100q", got, err, body)
		}
	}
}

func testNextVersion(t *testing.T, open OpenConfigurationStore) {
	s := open(t)
	all := appendVersions(t, s, 1, 3)
	other := document("other")
	for _, number := range []int{-1, 0, 1, 2, 3, 5} {
		check(t, fmt.Sprintf("Append version %d after 3", number), s.Append(t.Context(), version(number, other), other), configuration.ErrChanged)
		wantVersions(t, "a refused Append", s, all...)
		wantNoBody(t, "a refused Append", s, version(number, other))
	}
	same := document("3") // as version 3
	check(t, "Append version 3 with its own document", s.Append(t.Context(), version(3, same), same), configuration.ErrChanged)
	wantVersions(t, "a refused Append of a stored document", s, all...)
	again := version(4, same)
	check(t, "Append the same document as version 4", s.Append(t.Context(), again, same), nil)
	wantVersions(t, "one document twice", s, append([]configuration.Version{again}, all...)...)
}

func testKeptVersions(t *testing.T, open OpenConfigurationStore) {
	const last = configuration.Kept + 5
	s := open(t)
	all := appendVersions(t, s, 1, last)
	wantVersions(t, fmt.Sprintf("after %d Appends", last), s, all[:configuration.Kept]...)
	for _, v := range all[configuration.Kept:] {
		wantNoBody(t, "a version that is not kept", s, v)
	}
}

func testOneAppendWins(t *testing.T, open OpenConfigurationStore) {
	s := open(t)
	var all []configuration.Version
	for number, same := range []bool{false, true, false, true} {
		number++
		bodies := make([][]byte, contenders)
		for i := range bodies {
			bodies[i] = document(fmt.Sprint(number))
			if !same {
				bodies[i] = document(fmt.Sprint(number, " of ", i))
			}
		}
		contender := func(i int) configuration.Version {
			v := version(number, bodies[i])
			v.By = fmt.Sprint(i)
			return v
		}
		errs := race(func(i int) error { return s.Append(t.Context(), contender(i), bodies[i]) })
		oneWinner(t, errs, configuration.ErrChanged)
		winner := contender(max(0, slices.Index(errs, nil)))
		all = append([]configuration.Version{winner}, all...)
		wantVersions(t, fmt.Sprintf("version %d, documents alike: %t", number, same), s, all...)
		for i := range bodies {
			if v := contender(i); v.Digest != winner.Digest {
				wantNoBody(t, "a loser", s, v)
			}
		}
	}
}

// An Append that has lost knows the winner's number, and both may have the same
// document.
func testLostAppend(t *testing.T, open OpenConfigurationStore) {
	s := open(t)
	all := appendVersions(t, s, 1, configuration.Kept+1)
	for _, v := range all[:configuration.Kept] {
		body, err := s.Body(t.Context(), v)
		check(t, "Body", err, nil)
		v.By = "a loser"
		check(t, "Append", s.Append(t.Context(), v, body), configuration.ErrChanged)
	}
	wantVersions(t, "after each version was appended again", s, all[:configuration.Kept]...)
}

func testLargeDocument(t *testing.T, open OpenConfigurationStore) {
	s := open(t)
	all := appendVersions(t, s, 1, 1)
	large := []byte(strings.Repeat("x", configuration.MaxSize+1))
	if err := s.Append(t.Context(), version(2, large), large); err == nil || errors.Is(err, configuration.ErrChanged) {
		t.Errorf("Append of %d bytes: got error %v, want one that says that it is too large", len(large), err)
	}
	wantVersions(t, "after a document that is too large", s, all...)
	wantNoBody(t, "a document that is too large", s, version(2, large))
}
