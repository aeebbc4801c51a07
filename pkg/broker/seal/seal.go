// Package seal is a value: the keys that encrypt Cognito's app client secrets
// and refresh tokens at rest. It uses AES-256-GCM with the purpose and the
// owner of the secret as associated data, so that a sealed value cannot be
// opened in another row. It also makes the keyed hashes that must be equal in
// every process. One key seals, any number of keys open, and each has an id.
// The package leaves out where the keys are stored and how they are loaded.
package seal

import (
	"bytes"
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strings"
)

// KeySize is the length of every key, in bytes.
const KeySize = 32

// Ring is a set of keys. Parse makes it. It never changes: a rotation makes
// another ring. It is safe for concurrent use and prints as "[redacted]".
type Ring struct {
	sealing string
	open    map[string]cipher.AEAD
	mac     []byte
}

// String implements fmt.Stringer.
func (Ring) String() string { return "[redacted]" }

// GoString implements fmt.GoStringer.
func (Ring) GoString() string { return "[redacted]" }

// LogValue implements slog.LogValuer.
func (Ring) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// keyFile is the JSON form of the keys. Seal is the id of the key that seals. A
// former key must stay until no value is left that it sealed, which takes the
// longest lifetime of a refresh token. MAC is the key of the keyed hashes. It
// does not rotate, because client ids are made with it.
//
// Seed is for a deployment whose keys Secrets Manager makes: it can make a
// random text but no keys. The key "seed" is derived from it, and so is the key
// of the keyed hashes if MAC is absent.
type keyFile struct {
	Version int               `json:"version"`
	Seed    string            `json:"seed,omitempty"`
	Seal    string            `json:"seal,omitempty"`
	Keys    map[string]string `json:"keys,omitempty"`
	MAC     string            `json:"mac,omitempty"`
}

// seedKey is the id of the key that is derived from the seed.
const seedKey = "seed"

// minSeed is the minimum length of a seed. A random letter or digit has 5.9
// bits, so 43 of them are as strong as a key of 32 bytes.
const minSeed = 43

// deriveFromSeed adds to d the keys that are derived from its seed (HKDF,
// RFC 5869).
func (d *keyFile) deriveFromSeed() error {
	if d.Seed == "" {
		return nil
	}
	if len(d.Seed) < minSeed {
		return fmt.Errorf("keys: seed has fewer than %d characters", minSeed)
	}
	if _, ok := d.Keys[seedKey]; ok {
		return fmt.Errorf("keys: the id %s belongs to the key that comes from the seed", seedKey)
	}
	derive := func(info string) (string, error) {
		key, err := hkdf.Key(sha256.New, []byte(d.Seed), nil, "dcr-broker "+info, KeySize)
		return base64.StdEncoding.EncodeToString(key), err
	}
	seal, err := derive("seal")
	if err != nil {
		return err
	}
	mac, err := derive("mac")
	if err != nil {
		return err
	}
	d.Keys = maps.Clone(d.Keys)
	if d.Keys == nil {
		d.Keys = make(map[string]string)
	}
	d.Keys[seedKey] = seal
	d.Seal = cmp.Or(d.Seal, seedKey)
	d.MAC = cmp.Or(d.MAC, mac)
	return nil
}

// Parse reads the keys: a JSON object with version (1), seal (the id of the key
// that seals), keys (each id's key of 32 bytes in base64) and mac (32 bytes in
// base64). With seed, a random text of 43 characters or more, the other members
// may be left out: the key "seed" and mac are derived from it, and this key
// seals unless seal names another one. The error never contains a key.
func Parse(body []byte) (*Ring, error) {
	var d keyFile
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return nil, errors.New("keys: not a JSON object of version, seed, seal, keys and mac")
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("keys: something follows the object")
	}
	if d.Version != 1 {
		return nil, errors.New("keys: version must be 1")
	}
	if err := d.deriveFromSeed(); err != nil {
		return nil, err
	}
	r := &Ring{sealing: d.Seal, open: make(map[string]cipher.AEAD)}
	for id, text := range d.Keys {
		if id == "" || len(id) > 32 || strings.ContainsFunc(id, func(c rune) bool { return !isIDRune(c) }) {
			return nil, fmt.Errorf("keys: id %.40q is not 1 to 32 of a-z, 0-9 and -", id)
		}
		key, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(key) != KeySize {
			return nil, fmt.Errorf("keys: %s is not %d bytes in base64", id, KeySize)
		}
		if r.open[id], err = aead(key); err != nil {
			return nil, err
		}
	}
	if r.open[d.Seal] == nil {
		return nil, fmt.Errorf("keys: seal names %.40q, which is not among them", d.Seal)
	}
	mac, err := base64.StdEncoding.DecodeString(d.MAC)
	if err != nil || len(mac) != KeySize {
		return nil, fmt.Errorf("keys: mac is not %d bytes in base64", KeySize)
	}
	r.mac = mac
	return r, nil
}

func isIDRune(c rune) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' }

func aead(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Generate makes the document of a new ring with one key.
func Generate() []byte {
	key := func() string {
		b := make([]byte, KeySize)
		rand.Read(b)
		return base64.StdEncoding.EncodeToString(b)
	}
	body, err := json.MarshalIndent(keyFile{Version: 1, Seal: "k1", Keys: map[string]string{"k1": key()}, MAC: key()}, "", "  ")
	if err != nil {
		panic(err) // cannot happen: the document has only strings
	}
	return body
}

// Seal returns plain sealed for this purpose and owner: the id of the key, a
// full stop, and the ciphertext.
func (r *Ring) Seal(purpose, owner, plain string) []byte {
	return r.open[r.sealing].Seal([]byte(r.sealing+"."), nil, []byte(plain), associated(purpose, owner))
}

// Current reports whether sealed was sealed by the key that seals now. Other
// values have to be sealed again before their key is removed.
func (r *Ring) Current(sealed []byte) bool {
	id, _, ok := bytes.Cut(sealed, []byte("."))
	return ok && string(id) == r.sealing
}

// Open returns the secret that was sealed for this purpose and owner. It
// returns an error if sealed belongs to another purpose or owner, if its key is
// not in the ring, or if it was changed.
func (r *Ring) Open(purpose, owner string, sealed []byte) (string, error) {
	id, box, _ := bytes.Cut(sealed, []byte("."))
	key := r.open[string(id)]
	if key == nil {
		return "", fmt.Errorf("open %s: no key %.40q", purpose, id)
	}
	plain, err := key.Open(nil, nil, box, associated(purpose, owner))
	if err != nil {
		return "", fmt.Errorf("open %s: not sealed by key %s for this owner", purpose, id)
	}
	return string(plain), nil
}

// MAC returns the keyed hash of the parts, different for each purpose. Two
// different lists of parts are never the same input.
func (r *Ring) MAC(purpose string, parts ...string) [sha256.Size]byte {
	h := hmac.New(sha256.New, r.mac)
	h.Write(associated(append([]string{purpose}, parts...)...))
	return [sha256.Size]byte(h.Sum(nil))
}

// associated joins the parts, each with its length in front.
func associated(parts ...string) []byte {
	var b []byte
	for _, p := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	return b
}
