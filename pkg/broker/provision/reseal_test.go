package provision_test

import (
	"encoding/json"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/test/must"
	"github.com/dcr-broker/dcr-broker/test/world"
)

// keysWith returns the document old, changed to seal with the key sealing
// (added if it is new) and without the dropped keys.
func keysWith(t *testing.T, old []byte, sealing string, dropped ...string) []byte {
	t.Helper()
	var doc, fresh struct {
		Version int               `json:"version"`
		Seal    string            `json:"seal"`
		Keys    map[string]string `json:"keys"`
		MAC     string            `json:"mac"`
	}
	for body, into := range map[string]any{string(old): &doc, string(seal.Generate()): &fresh} {
		if err := json.Unmarshal([]byte(body), into); err != nil {
			t.Fatal(err)
		}
	}
	if doc.Keys[sealing] == "" {
		doc.Keys[sealing] = fresh.Keys[fresh.Seal]
	}
	for _, id := range dropped {
		delete(doc.Keys, id)
	}
	doc.Seal = sealing
	body := must.Marshal(t, doc)
	return body
}

// A key can be deleted although app clients were made under it.
func TestProvisionSealsAgainAfterARotation(t *testing.T) {
	w := world.NewBrokered(t)
	first := seal.Generate()
	become := func(doc []byte) {
		ring, err := seal.Parse(doc)
		if err != nil {
			t.Fatal(err)
		}
		w.Keys = ring
	}
	become(first)
	w.MustProvision("profile/open")
	secret := func() string {
		a := w.AppClient("profile/open")
		plain, err := w.Keys.Open(broker.SecretPurpose, a.SecretOwner(), a.Secret)
		if err != nil {
			t.Fatal(err)
		}
		return plain
	}
	made := secret()

	second := keysWith(t, first, "k2")
	become(second)
	if a := w.AppClient("profile/open"); w.Keys.Current(a.Secret) {
		t.Fatal("the secret is already sealed by the new key")
	}
	w.MustProvision("profile/open")
	if a := w.AppClient("profile/open"); !w.Keys.Current(a.Secret) {
		t.Error("the secret is still sealed by the old key")
	}
	writes := w.Store.Calls("ReplaceAppClient")
	w.MustProvision("profile/open")
	if n := w.Store.Calls("ReplaceAppClient"); n != writes {
		t.Errorf("%d writes for a secret that is sealed by the current key", n-writes)
	}
	become(keysWith(t, second, "k2", "k1"))
	if got := secret(); got != made {
		t.Errorf("secret = %q without the old key, want %q", got, made)
	}
	if n := w.Pool.Calls("CreateBrokered"); n != 1 {
		t.Errorf("%d app clients made, want 1", n)
	}
}
