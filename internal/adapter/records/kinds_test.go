package records

import (
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"testing"
	"time"

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

// The TTL of the table must not remove a transaction before the janitor has ended
// its sign-in.
func TestTTLDoesNotRemoveATransactionThatIsDue(t *testing.T) {
	expires := time.Date(2030, time.March, 1, 12, 0, 0, 0, time.UTC)
	tx := &broker.Transaction{Key: credential.NewClientSecret().Hash(), ExpiresAt: expires}
	for _, due := range []time.Time{{}, expires.Add(time.Minute)} {
		tx.Due = due
		it, err := transactions.item(tx)
		if err != nil {
			t.Fatal(err)
		}
		want := expires
		if !due.IsZero() {
			want = due.Add(broker.TransactionKept)
		}
		if got := it[ColumnTTL]; got != want.Unix() || it[columnExpiry] != expires.Unix() {
			t.Errorf("due at %s: ttl %v and expiry %v, want %d and %d", due, got, it[columnExpiry], want.Unix(), expires.Unix())
		}
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
