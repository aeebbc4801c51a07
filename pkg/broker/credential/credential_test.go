package credential

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func newInitial(t *testing.T, g Terms) (Token, *InitialAccessToken) {
	t.Helper()
	tok, rec, err := NewInitialAccessToken(g, now)
	if err != nil {
		t.Fatal(err)
	}
	return tok, rec
}

// Tokens must not be guessable (RFC 7592 §5, RFC 6819 §5.1.4.2.2). Each of
// these has 256 random bits behind its prefix and id.
func TestTokensCannotBeGuessed(t *testing.T) {
	const secret = 52 // characters of five bits each
	kinds := []struct {
		prefix string
		length int
		make   func() Token
	}{
		{RegistrationAccessTokenPrefix, secret, NewRegistrationAccessToken},
		{InitialAccessTokenPrefix, idLen + secret, func() Token { tok, _ := newInitial(t, Terms{Profile: "p"}); return tok }},
	}
	for _, k := range kinds {
		seen := make(map[string]bool)
		used := make([]map[byte]bool, secret)
		for range 500 {
			rest, ok := strings.CutPrefix(k.make().Reveal(), k.prefix)
			if !ok || len(rest) != k.length || strings.Trim(rest, alphabet) != "" {
				t.Fatalf("token %s%s, want %s and %d characters of %s", k.prefix, rest, k.prefix, k.length, alphabet)
			}
			rest = rest[len(rest)-secret:]
			if seen[rest] {
				t.Fatalf("%s: the same secret twice", k.prefix)
			}
			seen[rest] = true
			for i := range rest {
				if used[i] == nil {
					used[i] = make(map[byte]bool)
				}
				used[i][rest[i]] = true
			}
		}
		// The last character carries one bit, the others five.
		for i, chars := range used {
			if want := map[bool]int{true: 2, false: 20}[i == secret-1]; len(chars) < want {
				t.Errorf("%s: character %d takes %d values in 500 tokens, want at least %d", k.prefix, i, len(chars), want)
			}
		}
	}
}

func TestHashMatchesOnlyItsToken(t *testing.T) {
	tok, rec := newInitial(t, Terms{Profile: "p"})
	if !rec.Hash.Matches(tok) {
		t.Error("the hash does not match its token")
	}
	s := tok.Reveal()
	for _, other := range []string{"", s[:len(s)-1], s + "a", strings.ToUpper(s), " " + s, rec.Hash.String()} {
		if rec.Hash.Matches(Presented(other)) {
			t.Errorf("the hash matches %q, which is not its token", other)
		}
	}
	// The zero hash stands for a client that does not exist. No token may match
	// it.
	for _, presented := range []Token{{}, tok, Presented(strings.Repeat("\x00", 32))} {
		if (Hash{}).Matches(presented) {
			t.Errorf("the zero hash matches %q", presented.Reveal())
		}
	}
}

func TestHashIsReadBack(t *testing.T) {
	want := Presented("x").Hash()
	got, err := ParseHash(want.String())
	if err != nil || got != want {
		t.Errorf("ParseHash(%s) = %s, %v, want the same", want, got, err)
	}
	for _, bad := range []string{"", "00", want.String() + "00", want.String()[1:], strings.Repeat("g", 64)} {
		if h, err := ParseHash(bad); err == nil {
			t.Errorf("ParseHash(%q) = %s, want an error", bad, h)
		}
	}
}

func TestInitialAccessTokenIDAcceptsOnlyOurFormat(t *testing.T) {
	tok, rec := newInitial(t, Terms{Profile: "p"})
	if id, err := InitialAccessTokenID(tok); err != nil || id != rec.ID {
		t.Errorf("id = %q, %v, want %q", id, err, rec.ID)
	}
	s := tok.Reveal()
	for _, other := range []string{
		"", "dcr_iat_", s[:len(s)-1], s + "a", strings.ToUpper(s), strings.Replace(s, "dcr_iat_", "dcr_rat_", 1),
		s[:len(s)-1] + "#", s[:len(s)-2] + "é", NewRegistrationAccessToken().Reveal(),
	} {
		if id, err := InitialAccessTokenID(Presented(other)); err == nil {
			t.Errorf("%q has the id %q, want an error", other, id)
		}
	}
}

func TestTokensDoNotShow(t *testing.T) {
	tok, rec := newInitial(t, Terms{Profile: "p", Label: "ci"})
	var b bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&b, nil))
	log.Info("x", "token", tok, "record", rec)
	fmt.Fprintf(&b, "%v %+v %#v %s %q %v", tok, tok, tok, tok, tok, struct{ T Token }{tok})
	for _, secret := range []string{tok.Reveal(), rec.Hash.String()} {
		if strings.Contains(b.String(), secret) {
			t.Errorf("shows %q:\n%s", secret, b.String())
		}
	}
}

func TestNewInitialAccessTokenRefuses(t *testing.T) {
	for _, tt := range []struct {
		grant Terms
		text  string
	}{
		{Terms{}, "profile"},
		{Terms{Profile: "p", MaxUses: -1}, "uses"},
		{Terms{Profile: "p", MaxUses: MaxUses + 1}, "uses"}, // each use is stored
		{Terms{Profile: "p", Lifetime: -time.Second}, "lifetime"},
		{Terms{Profile: "p", Label: "a\x1b[2J"}, "label"}, // a terminal shows it
		{Terms{Profile: "p", Label: strings.Repeat("a", 201)}, "label"},
	} {
		if _, _, err := NewInitialAccessToken(tt.grant, now); err == nil || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%+v: error = %v, want one about %s", tt.grant, err, tt.text)
		}
	}
}

func TestState(t *testing.T) {
	hour := Terms{Profile: "p", Lifetime: time.Hour, MaxUses: 2}
	for _, tt := range []struct {
		name  string
		grant Terms
		edit  func(*InitialAccessToken)
		at    time.Time
		want  string
	}{
		{"new", hour, nil, now, "valid"},
		{"in its last second", hour, nil, now.Add(time.Hour - time.Second), "valid"},
		{"at its end", hour, nil, now.Add(time.Hour), "expired"},
		{"one use left", hour, func(r *InitialAccessToken) { r.Uses = 1 }, now, "valid"},
		{"no use left", hour, func(r *InitialAccessToken) { r.Uses = 2 }, now, "spent"},
		{"any number of uses", Terms{Profile: "p"}, func(r *InitialAccessToken) { r.Uses = 2 }, now, "valid"},
		{"without end", Terms{Profile: "p"}, nil, now.Add(100 * 365 * 24 * time.Hour), "valid"},
		{"revoked", hour, func(r *InitialAccessToken) { r.RevokedAt = now }, now, "revoked"},
	} {
		_, rec := newInitial(t, tt.grant)
		if tt.edit != nil {
			tt.edit(rec)
		}
		if got := rec.State(tt.at); got != tt.want {
			t.Errorf("%s: State = %q, want %q", tt.name, got, tt.want)
		}
	}
}
