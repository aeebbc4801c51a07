package authorize

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/endpoint/authorize"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/pages"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// inForce is a configuration that a test can replace.
type inForce struct {
	conf *configuration.Configuration
	err  error
}

func (f *inForce) get(context.Context) (*configuration.Configuration, error) { return f.conf, f.err }

func looksOf(t *testing.T, f *inForce, log *fake.Log) *looks {
	t.Helper()
	c := &environment.Environment{}
	c.Issuer = "http://localhost:8787"
	l, err := newLooks(&wire.Parts{Environment: c, Configuration: f.get, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// page returns a page of this look.
func page(l authorize.Look) string {
	w := httptest.NewRecorder()
	l.Pages.Problem(w, pages.ProblemView{Problem: pages.NoAccess})
	return w.Body.String()
}

func TestPagesLookAsTheConfigurationInForceSays(t *testing.T) {
	f, log := new(inForce), new(fake.Log)
	l := looksOf(t, f, log)
	f.err = errors.New("not read")
	plain := l.now(t.Context())
	if body := page(plain); !strings.Contains(body, "<bdi>localhost:8787</bdi>") || plain.ScopeDescriptions["mcp/read"] != "" {
		t.Errorf("without a configuration the page does not have the issuer's host:\n%s", body)
	}
	f.err = nil
	f.conf = &configuration.Configuration{
		Branding:       configuration.Branding{Name: "Example", Accent: "#123456", Logo: []byte("<svg/>")},
		SupportContact: "mailto:help@example.com", Scopes: []configuration.Scope{{Name: "mcp/read", Description: "Read your notes"}, {Name: "mcp/write"}},
	}
	first := l.now(t.Context())
	body := page(first)
	for _, want := range []string{"<bdi>Example</bdi>", "--button:#123456", `.svg"`, "mailto:help@example.com"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not have %s:\n%s", want, body)
		}
	}
	if len(first.ScopeDescriptions) != 1 || first.ScopeDescriptions["mcp/read"] != "Read your notes" {
		t.Errorf("descriptions %q, want that of mcp/read", first.ScopeDescriptions)
	}
	if again := l.now(t.Context()); again.Pages != first.Pages {
		t.Error("the pages were made again for the same configuration")
	}
	changed := *f.conf
	changed.Branding.Name = "Other"
	f.conf = &changed
	if body := page(l.now(t.Context())); !strings.Contains(body, "<bdi>Other</bdi>") {
		t.Errorf("the page does not have the new name:\n%s", body)
	}
	if log.String() != "" {
		t.Errorf("log: %s", log)
	}
}

// The configuration's checks exclude such a brand. If it comes nevertheless,
// users can still sign in.
func TestABrandThatCannotBeShown(t *testing.T) {
	f, log := &inForce{conf: &configuration.Configuration{Branding: configuration.Branding{Name: "Example", Accent: "blue"}}}, new(fake.Log)
	l := looksOf(t, f, log)
	for range 2 {
		if body := page(l.now(t.Context())); !strings.Contains(body, "<bdi>localhost:8787</bdi>") {
			t.Errorf("the page does not have the issuer's host:\n%s", body)
		}
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
		t.Errorf("%d errors for one configuration, want 1:\n%s", n, log)
	}
}

// A browser that has a page may load its logo.
func TestTheLogoIsServed(t *testing.T) {
	f := &inForce{conf: &configuration.Configuration{Branding: configuration.Branding{Name: "Example", Logo: []byte("<svg/>")}}}
	look := looksOf(t, f, new(fake.Log)).now(t.Context())
	_, after, _ := strings.Cut(page(look), `src="`)
	path, _, _ := strings.Cut(after, `"`)
	w := httptest.NewRecorder()
	look.Pages.Assets().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	if w.Code != http.StatusOK || w.Body.String() != "<svg/>" {
		t.Errorf("GET %s = %d %s, want the logo", path, w.Code, w.Body)
	}
}

// Pages can show each brand that the checks of the configuration accept.
func TestAcceptedBrandsCanBeShown(t *testing.T) {
	accepted := 0
	for _, name := range []string{"Example", "é", "  x", strings.Repeat("x", 128), strings.Repeat("é", 200), "\u200b", "\u202ex", "👩‍💻", ""} {
		for _, contact := range []string{
			"mailto:a@b", "mailto:a@b?subject=%41", "mailto:@", "mailto:a", "mailto:a%40b", "mailto:a@b@c", "MAILTO:a@b", "https://example.com", "https://example.com:443/a?b#c",
			"https://[::1]/", "https://é.example/", "https://u@example.com", "https://", "https:example.com", "https://example.com/\"<'>",
		} {
			document := must.Marshal(t, map[string]any{
				"version": 1, "scopes": []any{map[string]any{"name": "mcp/read"}}, "profiles": map[string]any{"p": map[string]any{"redirect_uris": map[string]any{"loopback": true}}},
				"branding": map[string]any{"name": name, "accent": "#ABCdef"}, "support_contact": contact,
			})
			conf, err := configuration.Parse(document, broker.Deployment{Mode: broker.ModeBrokered, Issuer: "https://auth.example.com", LoginVersion: 2})
			if err != nil {
				continue
			}
			accepted++
			log := new(fake.Log)
			body := page(looksOf(t, &inForce{conf: conf}, log).now(t.Context()))
			if log.String() != "" || !strings.Contains(body, "Help from the operator") {
				t.Errorf("name %q and contact %q: log %q, or no contact in\n%s", name, contact, log, body)
			}
		}
	}
	if accepted < 8 {
		t.Errorf("%d brands were accepted, too few to compare", accepted)
	}
}
