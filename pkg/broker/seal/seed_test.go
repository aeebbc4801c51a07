package seal_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
)

// madeSeed is a seed like those of Secrets Manager: 64 letters and digits.
const madeSeed = "mQ3vX8kLz1RwT6yUbN0aJdHfGsPeCoVi5x7K2tYqWnEuMr4ZcAjBhDlFgSpIoT9X"

func parse(t *testing.T, body string) *seal.Ring {
	t.Helper()
	r, err := seal.Parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestASeedMakesARing(t *testing.T) {
	body := fmt.Sprintf(`{"version":1,"seed":%q}`, madeSeed)
	r, again := parse(t, body), parse(t, body)
	sealed := r.Seal("p", "o", "plain")
	if !bytes.HasPrefix(sealed, []byte("seed.")) {
		t.Errorf("sealed as %.8q..., want by the key seed", sealed)
	}
	if got, err := again.Open("p", "o", sealed); got != "plain" || err != nil {
		t.Errorf("another process opens it as %q, %v", got, err)
	}
	if got, want := again.MAC("p", "a"), r.MAC("p", "a"); got != want {
		t.Errorf("MAC = %x in another process, want %x", got, want)
	}
	other := parse(t, fmt.Sprintf(`{"version":1,"seed":%q}`, madeSeed[1:]))
	if _, err := other.Open("p", "o", sealed); err == nil {
		t.Error("another seed opens it")
	}
	if other.MAC("p", "a") == r.MAC("p", "a") {
		t.Error("another seed has the same MAC")
	}
}

// With another derivation a deployment with a seed could not open its stored
// secrets. This test computes RFC 5869 from HMAC alone.
func TestKeysOfASeedNeverChange(t *testing.T) {
	mac := func(key, message []byte) []byte {
		h := hmac.New(sha256.New, key)
		h.Write(message)
		return h.Sum(nil)
	}
	extracted := mac(make([]byte, sha256.Size), []byte(madeSeed))
	expand := func(info string) string {
		return base64.StdEncoding.EncodeToString(mac(extracted, append([]byte(info), 1)))
	}
	r := parse(t, fmt.Sprintf(`{"version":1,"seed":%q}`, madeSeed))
	written := parse(t, fmt.Sprintf(`{"version":1,"seal":"seed","keys":{"seed":%q},"mac":%q}`, expand("dcr-broker seal"), expand("dcr-broker mac")))
	if got, err := written.Open("p", "o", r.Seal("p", "o", "plain")); got != "plain" || err != nil {
		t.Errorf("the key seed opens %q, %v", got, err)
	}
	if got, want := r.MAC("p"), written.MAC("p"); got != want {
		t.Errorf("MAC = %s, want %s", hex.EncodeToString(got[:]), hex.EncodeToString(want[:]))
	}
}

func TestKeysRotateBesideASeed(t *testing.T) {
	before := parse(t, fmt.Sprintf(`{"version":1,"seed":%q}`, madeSeed))
	after := parse(t, fmt.Sprintf(`{"version":1,"seed":%q,"seal":"k2","keys":{"k2":%q}}`, madeSeed, key('b')))
	if sealed := after.Seal("p", "o", "plain"); !bytes.HasPrefix(sealed, []byte("k2.")) {
		t.Errorf("sealed as %.8q..., want by k2", sealed)
	}
	if got, err := after.Open("p", "o", before.Seal("p", "o", "plain")); got != "plain" || err != nil {
		t.Errorf("a value sealed by the seed's key opens as %q, %v", got, err)
	}
	if after.MAC("p") != before.MAC("p") {
		t.Error("the key of keyed hashes has changed, and client ids with it")
	}
	without := fmt.Sprintf(`{"version":1,"seal":"k2","keys":{"k2":%q}}`, key('b'))
	if _, err := seal.Parse([]byte(without)); err == nil {
		t.Error("a ring without seed and mac is accepted")
	}
}

func TestASeedIsRefused(t *testing.T) {
	for _, tt := range []struct{ body, want string }{
		{fmt.Sprintf(`{"version":1,"seed":%q}`, madeSeed[:42]), "fewer than 43"},
		{fmt.Sprintf(`{"version":1,"seed":%q,"keys":{"seed":%q}}`, madeSeed, key('a')), "the id seed belongs to the key that comes from the seed"},
		{fmt.Sprintf(`{"version":1,"seed":%q,"seal":"k2"}`, madeSeed), "seal names \"k2\""},
	} {
		_, err := seal.Parse([]byte(tt.body))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Parse(%s) = %v, want an error with %q", tt.body, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), madeSeed[:42]) {
			t.Errorf("Parse(%s): the error holds the seed: %v", tt.body, err)
		}
	}
}
