package credential_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// testKeys makes keyed hashes with a key.
type testKeys string

func (k testKeys) MAC(purpose string, parts ...string) [sha256.Size]byte {
	return sha256.Sum256(fmt.Append(nil, string(k), purpose, parts))
}

func TestMadeRefreshToken_recognises_only_its_own(t *testing.T) {
	ours, id := testKeys("ours"), credential.NewID()
	good := credential.NewRefreshToken(id, ours)
	if !credential.MadeRefreshToken(good, id, ours) {
		t.Error("got false for a token of this grant and these keys, want true")
	}
	secret := good.Reveal()
	other := credential.NewRefreshToken(id, testKeys("others")).Reveal()
	for name, bad := range map[string]credential.Token{
		"made with other keys":  credential.Presented(other),
		"another grant":         credential.NewRefreshToken(credential.NewID(), ours),
		"a code":                credential.DerivedAuthorizationCode("secret", id),
		"a code's prefix":       credential.Presented(credential.AuthorizationCodePrefix + secret[len(credential.RefreshTokenPrefix):]),
		"the last half forged":  credential.Presented(secret[:len(secret)-26] + other[len(other)-26:]),
		"the first half forged": credential.Presented(secret[:33] + other[33:59] + secret[59:]),
		"cut short":             credential.Presented(secret[:len(secret)-1]),
		"nothing":               {},
	} {
		if credential.MadeRefreshToken(bad, id, ours) {
			t.Errorf("%s: got true, want false", name)
		}
	}
}

// tokens makes one token of each kind, all with the same id.
func tokens(t *testing.T, id string) map[string]credential.Token {
	t.Helper()
	initial, record, err := credential.NewInitialAccessToken(credential.Terms{Profile: "p"}, noon)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := credential.InitialAccessTokenID(initial); err != nil || got != record.ID {
		t.Errorf("InitialAccessTokenID: got %q and error %v, want %q", got, err, record.ID)
	}
	return map[string]credential.Token{
		"dcr_iat_": initial,
		"dcr_rat_": credential.NewRegistrationAccessToken(),
		"dcr_cs_":  credential.NewClientSecret(),
		"dcr_rt_":  credential.NewRefreshToken(id, testKeys("ours")),
		"dcr_ac_":  credential.DerivedAuthorizationCode(credential.NewID(), id),
	}
}

func TestTokens_have_their_prefix_and_are_unique(t *testing.T) {
	// The characters that need no escaping in HTTP Basic, a form or a URL.
	plain := regexp.MustCompile(`^dcr_(iat|rat|cs|rt|ac)_[a-z2-7]{52,78}$`)
	id := credential.NewID()
	seen := make(map[string]bool)
	for range 100 {
		for prefix, token := range tokens(t, id) {
			secret := token.Reveal()
			if !strings.HasPrefix(secret, prefix) || !plain.MatchString(secret) {
				t.Errorf("got %q, want %s and letters", secret, prefix)
			}
			if seen[secret] {
				t.Errorf("%q was made twice", secret)
			}
			seen[secret] = true
		}
	}
}

func TestToken_is_never_printed(t *testing.T) {
	id := credential.NewID()
	for prefix, token := range tokens(t, id) {
		secret := strings.TrimPrefix(token.Reveal(), prefix)
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "token", token, "in", struct{ T credential.Token }{token})
		marshalled := must.Marshal(t, map[string]any{"token": token})
		shown := map[string]string{"slog": log.String(), "JSON": string(marshalled), "a pointer": fmt.Sprint(&token)}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			shown[verb] = fmt.Sprintf(verb, token)
			shown[verb+" in a struct"] = fmt.Sprintf(verb, struct{ T credential.Token }{token})
		}
		for how, text := range shown {
			if strings.Contains(text, secret) {
				t.Errorf("%s of a %s token: got %q, which holds the secret", how, prefix, text)
			}
		}
	}
	if got, want := fmt.Sprint(credential.NewClientSecret()), "[redacted]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestGrantID_is_in_codes_and_refresh_tokens_only(t *testing.T) {
	id := credential.NewID()
	for prefix, token := range tokens(t, id) {
		got, err := credential.GrantID(token)
		if prefix == "dcr_rt_" || prefix == "dcr_ac_" {
			if err != nil || got != id {
				t.Errorf("%s: got %q and error %v, want %q", prefix, got, err, id)
			}
			continue
		}
		if err == nil {
			t.Errorf("%s: got %q, want an error", prefix, got)
		}
	}
}

func TestGrantID_refuses_text_in_another_format(t *testing.T) {
	good := credential.NewRefreshToken(credential.NewID(), testKeys("ours")).Reveal()
	for _, bad := range []string{
		"", good[1:], good[:len(good)-1], good + "a", " " + good, good + "\n",
		strings.ToUpper(good), good[:len(good)-1] + "1", good[:len(good)-1] + "=", good[:len(good)-1] + "\x00",
		strings.Replace(good, "_", "-", 1), good + good,
		"dcr_rt_", "dcr_ac_", "dcr_xx_" + good[7:], strings.Repeat("a", 1<<20),
	} {
		id, err := credential.GrantID(credential.Presented(bad))
		if err == nil {
			t.Errorf("GrantID(%.90q): got %q, want an error", bad, id)
			continue
		}
		if len(bad) > 20 && strings.Contains(err.Error(), bad[8:20]) {
			t.Errorf("GrantID(%.90q): the error %q holds the secret", bad, err)
		}
	}
}

func TestDerivedID_has_the_format_of_a_random_id(t *testing.T) {
	shape := regexp.MustCompile(`^[a-z2-7]{26}$`)
	seen := make(map[string]bool)
	for i := range 1000 {
		id := credential.DerivedID(sha256.Sum256([]byte{byte(i), byte(i >> 8)}))
		if !shape.MatchString(id) || seen[id] {
			t.Errorf("id %d: got %q, want 26 letters and digits that no other has", i, id)
		}
		seen[id] = true
	}
	if id := credential.NewID(); !shape.MatchString(id) {
		t.Errorf("NewID: got %q, want 26 letters and digits", id)
	}
	// Stored ids depend on this.
	if got, want := credential.DerivedID(sha256.Sum256(nil)), "4oymiquy7qobjgx36tejs35zeq"; got != want {
		t.Errorf("DerivedID of a known hash: got %q, want %q", got, want)
	}
}

func TestDerivedAuthorizationCode_follows_from_the_secret_and_the_grant(t *testing.T) {
	one, two := credential.NewID(), credential.NewID()
	code := credential.DerivedAuthorizationCode("secret", one)
	if again := credential.DerivedAuthorizationCode("secret", one); again != code {
		t.Error("the same secret and grant make another code")
	}
	if id, err := credential.GrantID(code); err != nil || id != one {
		t.Errorf("GrantID: got %q and error %v, want %q", id, err, one)
	}
	for name, other := range map[string]credential.Token{
		"another secret": credential.DerivedAuthorizationCode("Secret", one),
		"no secret":      credential.DerivedAuthorizationCode("", one),
		"another grant":  credential.DerivedAuthorizationCode("secret", two),
	} {
		if secretPart(other) == secretPart(code) {
			t.Errorf("%s makes the same code", name)
		}
	}
	// A browser that sends its decision to the next version of the broker gets the
	// code that it got from this one.
	const want = "dcr_ac_aaaaaaaaaaaaaaaaaaaaaaaaaaorp3ntuij3znattcqmebk6re3bs5kddcvmqqkkbhtifwnhw364la"
	if got := credential.DerivedAuthorizationCode("secret", strings.Repeat("a", 26)).Reveal(); got != want {
		t.Errorf("code of a known secret: got %q, want %q", got, want)
	}
}

// secretPart is the part of a code that does not name the grant.
func secretPart(code credential.Token) string { return code.Reveal()[len("dcr_ac_")+26:] }

// A grant is found by the id in the token, so GrantID must return exactly the
// id that the token contains.
func FuzzGrantID(f *testing.F) {
	f.Add(credential.NewRefreshToken(credential.NewID(), testKeys("ours")).Reveal())
	f.Add(credential.DerivedAuthorizationCode("secret", credential.NewID()).Reveal())
	f.Add("dcr_rt_")
	f.Add("")
	shape := regexp.MustCompile(`\Adcr_(rt|ac)_[a-z2-7]{78}\z`)
	f.Fuzz(func(t *testing.T, s string) {
		id, err := credential.GrantID(credential.Presented(s))
		if (err == nil) != shape.MatchString(s) {
			t.Fatalf("GrantID(%q): got %q and error %v", s, id, err)
		}
		if err == nil && s[len("dcr_rt_"):][:26] != id {
			t.Errorf("GrantID(%q): got %q", s, id)
		}
	})
}
