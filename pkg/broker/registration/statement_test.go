package registration_test

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/world"
)

// Statements have the shape that dcr.Decode requires; KnownJWTs has their
// claims.
const (
	stated   = "eyJhIjoxfQ.eyJiIjoxfQ.c2lnMQ"
	restated = "eyJhIjoxfQ.eyJiIjoyfQ.c2lnMg"
)

// withStatement returns a body with a software statement.
func withStatement(body, statement string) string {
	return strings.Replace(body, "{", `{"software_statement":"`+statement+`",`, 1)
}

func statedClaims() policy.Claims {
	return policy.Claims{"iss": world.AppsIssuer, "software_id": "one", "client_name": "App", "client_uri": "https://app.example.com", "redirect_uris": []any{"https://app.example.com/cb"}}
}

func TestAStatementWinsAndIsReturned(t *testing.T) {
	world.InBothModes(t, func(t *testing.T, w *world.World) {
		w.JWTs.Says(stated, world.AppsIssuer, time.Time{}, statedClaims())
		tok, _ := w.Token("strict", 0)
		body := withStatement(`{"client_name":"Evil","client_name#de":"Boese","redirect_uris":["https://evil.example/cb"],"software_id":"zero","tos_uri":"https://app.example.com/tos"}`, stated)
		info, rat := w.MustRegister(body, tok)
		read, err := w.Read(t.Context(), info.ClientID, rat)
		if err != nil {
			t.Fatal(err)
		}
		for name, info := range map[string]*dcr.ClientInformation{"registration": info, "read": read} {
			m := members(t, info)
			if m["software_statement"] != stated || m["client_name"] != "App" || m["client_name#de"] != nil || m["software_id"] != "one" ||
				world.MustJSON(t, m["redirect_uris"]) != `["https://app.example.com/cb"]` || m["tos_uri"] != "https://app.example.com/tos" {
				t.Errorf("%s: %s", name, world.MustJSON(t, m))
			}
		}
		// RFC 7592 §2.2: a client can send back the metadata that it read, and
		// this changes nothing.
		sent := members(t, read)
		maps.DeleteFunc(sent, notInAnUpdate)
		changed, err := w.Update(t.Context(), info.ClientID, rat, world.Request(t, world.MustJSON(t, sent)))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := world.MustJSON(t, changed.Metadata), world.MustJSON(t, read.Metadata); got != want {
			t.Errorf("after the PUT\n got %s\nwant %s", got, want)
		}
	})
}

func TestInvalidStatements(t *testing.T) {
	world.InBothModes(t, func(t *testing.T, w *world.World) {
		changed := func(name string, value any) policy.Claims {
			c := maps.Clone(statedClaims())
			c[name] = value
			return c
		}
		tok, id := w.Token("strict", 1)
		for _, tt := range []struct {
			name   string
			issuer string
			claims policy.Claims
			want   dcr.Code
		}{
			{"not signed", "", nil, dcr.InvalidSoftwareStatement},
			{"from an issuer of tokens", world.CIIssuer, statedClaims(), dcr.UnapprovedSoftwareStatement},
			{"of software that is not approved", world.AppsIssuer, changed("software_id", "three"), dcr.UnapprovedSoftwareStatement},
			{"for another audience, like an ID token", world.AppsIssuer, changed("aud", "https://auth.example.com"), dcr.UnapprovedSoftwareStatement},
			{"with metadata of the wrong type", world.AppsIssuer, changed("client_name", 4.0), dcr.InvalidSoftwareStatement},
			{"with a javascript: redirect URI", world.AppsIssuer, changed("redirect_uris", []any{"javascript:alert(1)"}), dcr.InvalidRedirectURI},
			{"with a redirect URI that policy refuses", world.AppsIssuer, changed("redirect_uris", []any{"com.example.app:/cb"}), dcr.InvalidRedirectURI},
		} {
			delete(w.JWTs.Known, stated)
			if tt.claims != nil {
				w.JWTs.Says(stated, tt.issuer, time.Time{}, tt.claims)
			}
			_, err := w.Register(t.Context(), world.Request(t, withStatement(world.ConfidentialBody, stated)), tok)
			world.WantCode(t, tt.name, err, tt.want)
		}
		_, err := w.Register(t.Context(), world.Request(t, world.ConfidentialBody), tok)
		world.WantCode(t, "no statement where one is required", err, dcr.InvalidSoftwareStatement)
		w.JWTs.Fails = errors.New("no route")
		_, err = w.Register(t.Context(), world.Request(t, withStatement(world.ConfidentialBody, stated)), tok)
		if e := world.WantCode(t, "an issuer that cannot be reached", err, dcr.Unavailable); e.RetryAfter <= 0 {
			t.Error("no Retry-After")
		}
		if n := w.Uses(id); n != 0 || len(w.Pool.All()) != 0 {
			t.Errorf("%d uses and %d app clients, want none", n, len(w.Pool.All()))
		}
	})
}

// A statement can supply metadata that the request of the client lacks.
func TestAStatementAloneIsEnough(t *testing.T) {
	world.InBothModes(t, func(t *testing.T, w *world.World) {
		w.JWTs.Says(stated, world.AppsIssuer, time.Time{}, statedClaims())
		for _, body := range []string{`{"client_name":"x"}`, `{"redirect_uris":["https://app.example.com/cb#x"]}`} {
			info, _ := w.MustRegister(withStatement(body, stated), world.None)
			if got := world.MustJSON(t, info.Metadata.RedirectURIs); got != `["https://app.example.com/cb"]` {
				t.Errorf("%s: registered for %s", body, got)
			}
		}
		_, err := w.Register(t.Context(), world.Request(t, `{"client_name":"x"}`), world.None)
		world.WantCode(t, "neither", err, dcr.InvalidRedirectURI)
	})
}

// Where statements are accepted, a client without one is registered as before.
func TestAProfileThatAcceptsStatementsNeedsNone(t *testing.T) {
	world.InBothModes(t, func(t *testing.T, w *world.World) {
		info, _ := w.MustRegister(`{"redirect_uris":["http://localhost:1/cb"]}`, world.None)
		if m := members(t, info); m["software_statement"] != nil || w.JWTs.Asked != 0 {
			t.Errorf("%s, and %d tokens verified, want no statement and none", world.MustJSON(t, m), w.JWTs.Asked)
		}
		// The built-in policy ignores statements.
		w.UsePolicy(strings.Replace(world.TrustingPolicy, `"software_statements":"accept"`, `"software_statements":"ignore"`, 1))
		info, _ = w.MustRegister(withStatement(`{"redirect_uris":["http://localhost:1/cb"]}`, stated), world.None)
		if m := members(t, info); m["software_statement"] != nil || w.JWTs.Asked != 0 {
			t.Errorf("%s, and %d tokens verified, want the statement ignored", world.MustJSON(t, m), w.JWTs.Asked)
		}
	})
}

// A client with a publisher's statement is another client than one that sends
// the same metadata without it. The same statement, signed twice, is the same
// client.
func TestStatementsAndDeduplication(t *testing.T) {
	w := world.NewBrokered(t)
	w.UseBrokeredPolicy(strings.Replace(world.TrustingPolicy, `"statement_issuers":[`, `"statement_issuers":[{"issuer":"https://more.example.com"},`, 1))
	id := func(body string) string {
		t.Helper()
		info, _ := w.MustRegister(body, world.None)
		if strings.Contains(body, stated) && info.Metadata.SoftwareStatement != stated || strings.Contains(body, restated) && info.Metadata.SoftwareStatement != restated {
			t.Errorf("the response has the statement %q", info.Metadata.SoftwareStatement)
		}
		return info.ClientID
	}
	plain := `{"client_name":"App","client_uri":"https://app.example.com","software_id":"one","redirect_uris":["https://app.example.com/cb"]}`
	w.JWTs.Says(stated, world.AppsIssuer, time.Time{}, statedClaims())
	c := maps.Clone(statedClaims())
	c["iat"] = 1.0
	w.JWTs.Says(restated, world.AppsIssuer, time.Time{}, c)
	first := id(withStatement(plain, stated))
	if id(plain) == first {
		t.Error("a client without the statement has the same client_id")
	}
	for name, body := range map[string]string{
		"the same again": withStatement(plain, stated), "signed again": withStatement(plain, restated), "with no other metadata": withStatement(`{"client_name":""}`, stated),
		"with other metadata, which the statement overrides": withStatement(`{"client_name":"Evil"}`, stated),
	} {
		if got := id(body); got != first {
			t.Errorf("%s: client %s, want %s", name, got, first)
		}
	}
	if got := w.Rows(); got != 2 {
		t.Errorf("%d registrations, want 2", got)
	}
	if id(withStatement(`{"tos_uri":"https://app.example.com/tos"}`, stated)) == first {
		t.Error("another link is the same client")
	}
	less := maps.Clone(statedClaims())
	delete(less, "client_name")
	w.JWTs.Says(restated, world.AppsIssuer, time.Time{}, less)
	if id(withStatement(plain, restated)) == first {
		t.Error("a statement without the name has the same client_id")
	}
	w.JWTs.Says(restated, "https://more.example.com", time.Time{}, statedClaims())
	if id(withStatement(plain, restated)) == first {
		t.Error("another publisher's statement is the same client")
	}
}

func TestAnUpdateIsCheckedWithItsStatement(t *testing.T) {
	world.InBothModes(t, func(t *testing.T, w *world.World) {
		w.JWTs.Says(stated, world.AppsIssuer, time.Time{}, statedClaims())
		tok, _ := w.Token("strict", 0)
		info, rat := w.MustRegister(withStatement(world.ConfidentialBody, stated), tok)
		put := func(body string) (*dcr.ClientInformation, error) {
			return w.Update(t.Context(), info.ClientID, rat, world.Update(t, body, info.ClientID))
		}
		_, err := put(world.ConfidentialBody)
		world.WantCode(t, "an update without a statement", err, dcr.InvalidSoftwareStatement)
		_, err = put(withStatement(world.ConfidentialBody, restated))
		world.WantCode(t, "a statement that is not signed", err, dcr.InvalidSoftwareStatement)
		c := maps.Clone(statedClaims())
		c["client_name"], c["redirect_uris"] = "App 2", []any{"https://app.example.com/cb2"}
		w.JWTs.Says(restated, world.AppsIssuer, time.Time{}, c)
		changed, err := put(withStatement(strings.Replace(world.ConfidentialBody, "App", "Evil", 1), restated))
		if err != nil {
			t.Fatal(err)
		}
		if m := changed.Metadata; m.ClientName != "App 2" || m.RedirectURIs[0] != "https://app.example.com/cb2" || m.SoftwareStatement != restated {
			t.Errorf("after the PUT: %s", world.MustJSON(t, changed))
		}
		rat = credential.Presented(changed.RegistrationAccessToken)
		read, err := w.Read(t.Context(), info.ClientID, rat)
		if err != nil || !json.Valid([]byte(world.MustJSON(t, read))) || read.Metadata.SoftwareStatement != restated {
			t.Errorf("Read = %s, %v", world.MustJSON(t, read), err)
		}
	})
}
