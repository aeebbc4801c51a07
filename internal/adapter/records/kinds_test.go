package records

import (
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// DeleteRecords removes the kinds in this list, so every kind has
// to be in it.
func TestKindsAreComplete(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range files {
		source := must.ReadFile(t, name)
		for _, m := range regexp.MustCompile(`newKind(?:\[[\w.]+\])?\("(\w+#)"|\bkind[A-Z]\w*\s*= "(\w+#)"`).FindAllStringSubmatch(string(source), -1) {
			found++
			if !slices.Contains(kinds, m[1]+m[2]) {
				t.Errorf("%s of %s is not among the kinds", m[1]+m[2], name)
			}
		}
	}
	if found != len(kinds) {
		t.Errorf("%d kinds are declared, and %d are listed", found, len(kinds))
	}
}

// A field with a column and a member of the body would be stored twice.
func TestAFieldIsStoredOnce(t *testing.T) {
	for _, r := range []reflect.Type{
		reflect.TypeFor[broker.Registration](), reflect.TypeFor[broker.AppClient](), reflect.TypeFor[broker.Transaction](),
		reflect.TypeFor[broker.Grant](), reflect.TypeFor[broker.SealedTokens](), reflect.TypeFor[broker.Consent](),
		reflect.TypeFor[broker.MachineToken](), reflect.TypeFor[broker.TableOwner](), reflect.TypeFor[credential.InitialAccessToken](),
	} {
		for f := range r.Fields() {
			_, column := f.Tag.Lookup("store")
			name, body := f.Tag.Lookup("json")
			if !body || column != (name == "-") {
				t.Errorf("%s.%s has the tag %q, want a member of the body or a column", r.Name(), f.Name, f.Tag)
			}
		}
	}
}
