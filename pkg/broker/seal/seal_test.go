package seal_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// key is a key of 32 bytes that are all b, in base64.
func key(b byte) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(rune(b)), seal.KeySize)))
}

// ring parses a document in which the keys of the map are open, or fails.
func ring(t testing.TB, sealing string, keys map[string]string) *seal.Ring {
	t.Helper()
	r, err := seal.Parse(document(t, sealing, keys, key('m')))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func document(t testing.TB, sealing string, keys map[string]string, mac string) []byte {
	t.Helper()
	body := must.Marshal(t, map[string]any{"version": 1, "seal": sealing, "keys": keys, "mac": mac})
	return body
}

func TestRing_opens_what_it_sealed(t *testing.T) {
	r := ring(t, "k1", map[string]string{"k1": key('a')})
	for _, plain := range []string{"", "secret", "\x00\xff", strings.Repeat("x", 100_000)} {
		for _, owner := range []string{"", "grant", "a/b", "\xff"} {
			sealed := r.Seal("p", owner, plain)
			if got, err := r.Open("p", owner, sealed); err != nil || got != plain {
				t.Errorf("open %.20q of %q: got %.20q and error %v", plain, owner, got, err)
			}
			if plain == "secret" && bytes.Contains(sealed, []byte(plain)) {
				t.Errorf("sealed: got %q, which is readable", sealed)
			}
			if again := r.Seal("p", owner, plain); bytes.Equal(again, sealed) {
				t.Errorf("sealing %.20q twice gives the same", plain)
			}
		}
	}
}

func TestOpen_refuses_another_purpose_or_owner(t *testing.T) {
	r := ring(t, "k1", map[string]string{"k1": key('a')})
	sealed := r.Seal("grant", "owner", "secret")
	for _, tt := range [][2]string{
		{"grant", "owner2"}, {"grant", ""}, {"transaction", "owner"}, {"", "owner"}, {"owner", "grant"},
		// The same letters, divided at another place.
		{"grantowner", ""}, {"", "grantowner"}, {"grantown", "er"}, {"gran", "towner"},
	} {
		if got, err := r.Open(tt[0], tt[1], sealed); err == nil {
			t.Errorf("open for %q and %q: got %q, want an error", tt[0], tt[1], got)
		}
	}
}

func TestOpen_refuses_changed_text(t *testing.T) {
	r := ring(t, "k1", map[string]string{"k1": key('a'), "k2": key('b')})
	sealed := r.Seal("p", "o", "secret")
	id, text, _ := strings.Cut(string(sealed), ".")
	box := []byte(text)
	if id != "k1" {
		t.Fatalf("sealed: got key %q, want k1", id)
	}
	for i := range box {
		for bit := range 8 {
			changed := append([]byte(nil), box...)
			changed[i] ^= 1 << bit
			if got, err := r.Open("p", "o", append([]byte("k1."), changed...)); err == nil {
				t.Errorf("byte %d, bit %d changed: got %q, want an error", i, bit, got)
			}
		}
	}
	for n := range box {
		if got, err := r.Open("p", "o", append([]byte("k1."), box[:n]...)); err == nil {
			t.Errorf("cut to %d bytes: got %q, want an error", n, got)
		}
	}
	for _, bad := range []string{
		"", ".", "k1", "k1.", text, "." + text, "k2." + text, "k3." + text, "K1." + text,
		string(sealed) + ".", string(sealed) + "A", string(sealed) + "=", " " + string(sealed), "k1.k1." + text, "k1.+/", "k1.\x00",
	} {
		if got, err := r.Open("p", "o", []byte(bad)); err == nil {
			t.Errorf("open %.40q: got %q, want an error", bad, got)
		}
	}
}

// A new key seals as soon as seal names it. Values that old keys sealed open as
// long as these keys are in the ring.
func TestRing_rotates_its_keys(t *testing.T) {
	keys := map[string]string{"k1": key('a')}
	before := ring(t, "k1", keys)
	old := before.Seal("p", "o", "from before")

	keys["k2"] = key('b')
	ready := ring(t, "k1", keys) // every process must know the new key before one seals with it
	after := ring(t, "k2", keys)
	sealed := after.Seal("p", "o", "from after")
	if !bytes.HasPrefix(sealed, []byte("k2.")) {
		t.Errorf("sealed: got %.10q, want one of k2", sealed)
	}
	for _, tt := range []struct {
		name   string
		sealed []byte
		want   string
		ring   *seal.Ring
	}{
		{"the old value by the new ring", old, "from before", after},
		{"the old value by the ring in between", old, "from before", ready},
		{"the new value by the ring in between", sealed, "from after", ready},
		{"the new value by the new ring", sealed, "from after", after},
	} {
		if got, err := tt.ring.Open("p", "o", tt.sealed); err != nil || got != tt.want {
			t.Errorf("%s: got %q and error %v, want %q", tt.name, got, err, tt.want)
		}
	}

	maps.DeleteFunc(keys, func(id, _ string) bool { return id == "k1" })
	if got, err := ring(t, "k2", keys).Open("p", "o", old); err == nil || !strings.Contains(err.Error(), "k1") {
		t.Errorf("the old value without its key: got %q and error %v, want one that names k1", got, err)
	}
	reused := ring(t, "k1", map[string]string{"k1": key('c')}) // another key under the old id
	if got, err := reused.Open("p", "o", old); err == nil {
		t.Errorf("the old value by another key with its id: got %q, want an error", got)
	}
}

func TestMAC_is_equal_in_every_process_and_differs_by_input(t *testing.T) {
	a := ring(t, "k1", map[string]string{"k1": key('a')})
	rotated := ring(t, "k2", map[string]string{"k1": key('a'), "k2": key('b')})
	other, err := seal.Parse(document(t, "k1", map[string]string{"k1": key('a')}, key('n')))
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[[32]byte]string)
	for _, tt := range []struct {
		name    string
		ring    *seal.Ring
		purpose string
		parts   []string
	}{
		{"p of a, b", a, "p", []string{"a", "b"}},
		{"p of ab", a, "p", []string{"ab"}},
		{"p of a, b and nothing", a, "p", []string{"a", "b", ""}},
		{"p of b, a", a, "p", []string{"b", "a"}},
		{"p", a, "p", nil},
		{"p of nothing", a, "p", []string{""}},
		{"pa of b", a, "pa", []string{"b"}},
		{"q of a, b", a, "q", []string{"a", "b"}},
		{"p of one part that looks like two", a, "p", []string{"a\x00\x00\x00\x01b"}},
		{"p of a, b by another key", other, "p", []string{"a", "b"}},
	} {
		sum := tt.ring.MAC(tt.purpose, tt.parts...)
		if was, ok := seen[sum]; ok {
			t.Errorf("%s has the hash of %s", tt.name, was)
		}
		seen[sum] = tt.name
	}
	if a.MAC("p", "a", "b") != rotated.MAC("p", "a", "b") {
		t.Error("a new sealing key changes the keyed hashes")
	}
	// Stored client ids and grant ids depend on this.
	sum := a.MAC("p", "a", "b")
	const want = "b0a768b5188f0d841813d25760f3feb12a2a90668b59f2ed0b6dcdb5640665f2"
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("MAC of a known key: got %s, want %s", got, want)
	}
}

func TestParse_refuses_with_the_reason(t *testing.T) {
	one := map[string]string{"k1": key('a')}
	for _, tt := range []struct {
		name string
		body string
		want string
	}{
		{"nothing", "", "not a JSON object"},
		{"no object", `[]`, "not a JSON object"},
		{"null", `null`, "version"},
		{"an unknown member", `{"version":1,"kyes":{}}`, "not a JSON object of"},
		{"another version", `{"version":2}`, "version must be 1"},
		{"no keys", `{"version":1,"seal":"k1","mac":"` + key('m') + `"}`, `seal names "k1"`},
		{"no seal", string(document(t, "", one, key('m'))), `seal names ""`},
		{"a seal that is not there", string(document(t, "k2", one, key('m'))), `seal names "k2"`},
		{"no mac", string(document(t, "k1", one, "")), "mac is not 32 bytes"},
		{"a short mac", string(document(t, "k1", one, key('m')[4:])), "mac is not 32 bytes"},
		{"a short key", string(document(t, "k1", map[string]string{"k1": key('a')[4:]}, key('m'))), "k1 is not 32 bytes"},
		{"a key in base64url", string(document(t, "k1", map[string]string{"k1": "____" + key('a')[4:]}, key('m'))), "k1 is not 32 bytes"},
		{"an empty id", string(document(t, "", map[string]string{"": key('a')}, key('m'))), `id ""`},
		{"an id with a full stop", string(document(t, "a.b", map[string]string{"a.b": key('a')}, key('m'))), `id "a.b"`},
		{"a long id", string(document(t, "k", map[string]string{strings.Repeat("k", 33): key('a')}, key('m'))), "id"},
		{"two objects", string(document(t, "k1", one, key('m'))) + "{}", "something follows"},
		{"rubbish after it", string(document(t, "k1", one, key('m'))) + "x", "something follows"},
	} {
		r, err := seal.Parse([]byte(tt.body))
		if err == nil || r != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got error %v, want one with %q", tt.name, err, tt.want)
		}
		if err != nil && (strings.Contains(err.Error(), key('a')[4:20]) || strings.Contains(err.Error(), key('m')[4:20])) {
			t.Errorf("%s: the error %q holds a key", tt.name, err)
		}
	}
}

func TestGenerate_makes_a_ring_of_its_own(t *testing.T) {
	a, b := seal.Generate(), seal.Generate()
	ra, err := seal.Parse(a)
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	rb, err := seal.Parse(append(b, '\n')) // as an editor saves it
	if err != nil {
		t.Fatalf("parse with a newline: %v", err)
	}
	if ra.MAC("p") == rb.MAC("p") {
		t.Error("two rings have the same MAC key")
	}
	if got, err := rb.Open("p", "o", ra.Seal("p", "o", "secret")); err == nil {
		t.Errorf("one ring opens what the other sealed: got %q", got)
	}
}

func TestRing_prints_no_key(t *testing.T) {
	r := ring(t, "k1", map[string]string{"k1": key('a')})
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "ring", r)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, v := range []any{r, *r} {
			if got := fmt.Sprintf(verb, v); got != "[redacted]" {
				t.Errorf("%s of a %T: got %q, want [redacted]", verb, v, got)
			}
		}
	}
	if !strings.Contains(log.String(), "ring=[redacted]") {
		t.Errorf("slog: got %q, want [redacted]", log.String())
	}
}

func TestRing_is_safe_for_concurrent_use(t *testing.T) {
	r := ring(t, "k1", map[string]string{"k1": key('a')})
	done := make(chan error)
	for i := range 8 {
		go func() {
			for range 100 {
				owner := fmt.Sprint(i)
				if got, err := r.Open("p", owner, r.Seal("p", owner, owner)); err != nil || got != owner {
					done <- fmt.Errorf("got %q and error %w, want %q", got, err, owner)
					return
				}
				r.MAC("p", owner)
			}
			done <- nil
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// For any stored value Open returns the owner's secret or an error, and a
// sealed value opens.
func FuzzOpen(f *testing.F) {
	r := ring(f, "k1", map[string]string{"k1": key('a'), "k2": key('b')})
	f.Add("p", "o", r.Seal("p", "o", "secret"))
	f.Add("p", "o2", r.Seal("p", "o", "secret"))
	f.Add("", "", r.Seal("", "", ""))
	f.Add("p", "o", []byte("k1."))
	f.Add("p", "o", []byte("."))
	genuine := map[string]string{}
	for _, plain := range []string{"", "a", "secret"} {
		s := r.Seal("p", "o", plain)
		genuine[string(s)] = plain
		f.Add("p", "o", s)
	}
	f.Fuzz(func(t *testing.T, purpose, owner string, sealed []byte) {
		got, err := r.Open(purpose, owner, sealed)
		if want, ok := genuine[string(sealed)]; ok && purpose == "p" && owner == "o" {
			if err != nil || got != want {
				t.Errorf("open what was sealed: got %q and error %v, want %q", got, err, want)
			}
			return
		}
		if err == nil && len(sealed) < len("k1.")+28 { // nonce and tag
			t.Errorf("open %q: got %q, want an error", sealed, got)
		}
		if err != nil && (got != "" || len(err.Error()) > 300+len(purpose)) {
			t.Errorf("open %q: got %q with error %v", sealed, got, err)
		}
		again, err := r.Open(purpose, owner, r.Seal(purpose, owner, string(sealed)))
		if err != nil || again != string(sealed) {
			t.Errorf("seal and open %q: got %q and error %v", sealed, again, err)
		}
	})
}

// FuzzParse finds a document that makes Parse panic, or a ring that cannot
// seal.
func FuzzParse(f *testing.F) {
	f.Add(seal.Generate())
	f.Add([]byte(`{"version":1,"seal":"k1","keys":{"k1":null},"mac":""}`))
	f.Add([]byte(`{"version":1e0}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := seal.Parse(body)
		if err != nil {
			return
		}
		if got, err := r.Open("p", "o", r.Seal("p", "o", "x")); err != nil || got != "x" {
			t.Errorf("a parsed ring: got %q and error %v, want x", got, err)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	r := ring(b, "k1", map[string]string{"k1": key('a')})
	sealed := r.Seal("grant", "owner", strings.Repeat("x", 4000))
	for b.Loop() {
		if _, err := r.Open("grant", "owner", sealed); err != nil {
			b.Fatal(err)
		}
	}
}
