package grants_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/grants"
)

// A refresh has been checked before the grant ends, and stores the refresh token
// that Cognito has just issued while the former one is being revoked.
func TestEndRevokesATokenThatARefreshStoresMeanwhile(t *testing.T) {
	w := newWorld(t)
	g := w.grant("a", "g", "ann", "s")
	stored := false
	w.Store.Around("DeleteTokens", func(do func() error) error {
		if !stored {
			stored = true
			row, err := w.Inner.Tokens(t.Context(), g.TokensID)
			if err != nil {
				t.Fatal(err)
			}
			tokens, err := grants.Open(w.Keys, g.ID, row)
			if err != nil {
				t.Fatal(err)
			}
			tokens.RefreshToken = "rt-newer"
			row.Sealed = w.Keys.Seal(broker.SealGrant, g.ID, tokens.Encode())
			if err := w.Inner.ReplaceTokens(t.Context(), row); err != nil {
				t.Fatal(err)
			}
		}
		return do()
	})
	if err := w.EndGrant(t.Context(), w.Keys, g.Clone()); err != nil {
		t.Fatal(err)
	}
	w.wantEnded(g)
	if !slices.Contains(w.cognito.revoked, "rt-newer") {
		t.Errorf("revoked %q, want the newer token among them", w.cognito.revoked)
	}
	if _, err := w.Inner.Tokens(t.Context(), g.TokensID); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("tokens: %v, want them deleted", err)
	}
}

// A newer program may have written a grant that this one cannot read.
func TestAGrantThatCannotBeReadHoldsUpNoOther(t *testing.T) {
	for name, end := range map[string]func(w *world) (int, error){
		"EndOfClient": func(w *world) (int, error) { return w.EndOfClient(t.Context(), "a", nil) },
		"EndOfUser":   func(w *world) (int, error) { return w.EndOfUser(t.Context(), "ann") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for range 3 {
				w.grant("a", "g", "ann", "s")
			}
			unreadable := errors.New("schema 2")
			w.Store.Around("Grant", func(do func() error) error {
				if w.Store.Calls("Grant") == 1 {
					return unreadable
				}
				return do()
			})
			if n, err := end(w); n != 2 || !errors.Is(err, unreadable) {
				t.Errorf("%d grants ended, %v; want 2 and the error", n, err)
			}
			left := slices.DeleteFunc(w.AllGrants(), func(g *broker.Grant) bool { return !g.Unfinished() })
			if len(left) != 1 {
				t.Errorf("%d grants are left, want 1", len(left))
			}
		})
	}
}
