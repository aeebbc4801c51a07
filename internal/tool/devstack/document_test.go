package devstack

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/config"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/test/must"
)

const sampleURL = "http://localhost:8090/mcp"

// in returns the document in a new file, for a deployment of the mode.
func in(t *testing.T, mode broker.Mode, body string) document {
	t.Helper()
	file := filepath.Join(t.TempDir(), "broker.json")
	must.WriteFile(t, file, []byte(body))
	return document{file, sampleURL, deploymentOf(mode)}
}

func deploymentOf(mode broker.Mode) broker.Deployment {
	return broker.Deployment{ID: "local", Mode: mode, Issuer: "http://localhost:8080", LoginVersion: 2}
}

// with returns the example with another member in front.
func with(member string) string {
	return strings.Replace(string(config.Example()), "{", "{"+member+",", 1)
}

// A document that lists no protected resources has the sample MCP server.
func TestSampleIsTheProtectedResource(t *testing.T) {
	sample := []broker.Resource{{URL: sampleURL, Name: sampleName, Scopes: []string{"mcp/read", "mcp/write"}}}
	readOnly := slices.Clone(sample)
	readOnly[0].Scopes = []string{"mcp/read"}
	other := []broker.Resource{{URL: "https://mcp.example.com/mcp", Scopes: []string{"mcp/read"}}}
	for _, tt := range []struct {
		name     string
		document document
		want     []broker.Resource
		bound    bool
	}{
		{"the example", document{"", sampleURL, deploymentOf(broker.ModeBrokered)}, sample, true},
		{"the example in direct mode", document{"", sampleURL, deploymentOf(broker.ModeDirect)}, sample, false},
		{"a file", in(t, broker.ModeBrokered, with(`"support_contact":"mailto:help@example.com"`)), sample, true},
		{"a file that binds nothing", in(t, broker.ModeBrokered, with(`"resource_binding":false`)), sample, false},
		{"a file with another", in(t, broker.ModeBrokered, with(`"protected_resources":[{"resource":"https://mcp.example.com/mcp","scopes":["mcp/read"]}]`)), other, false},
		{"a file with none", in(t, broker.ModeBrokered, with(`"protected_resources":[]`)), nil, false},
		{"a file with one of the scopes", in(t, broker.ModeBrokered, strings.ReplaceAll(string(config.Example()), "mcp/write", "notes/write")), readOnly, true},
		{"a file without the scope that it needs", in(t, broker.ModeBrokered, strings.ReplaceAll(string(config.Example()), "mcp/", "notes/")), nil, false},
	} {
		_, conf, err := tt.document.load()
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if !reflect.DeepEqual(conf.Resources, tt.want) || conf.ResourceBinding != tt.bound {
			t.Errorf("%s: %+v, bound %t; want %+v, bound %t", tt.name, conf.Resources, conf.ResourceBinding, tt.want, tt.bound)
		}
		introspects := len(conf.IntrospectionClients) > 0
		if want := len(tt.want) > 0 && tt.want[0].URL == sampleURL && tt.document.deployment.Mode == broker.ModeBrokered; introspects != want {
			t.Errorf("%s: introspection clients %+v", tt.name, conf.IntrospectionClients)
		}
	}
}

// The file's own text stays as it is, so that the check finds its faults.
func TestSampleHidesNoFault(t *testing.T) {
	d := document{"", sampleURL, deploymentOf(broker.ModeBrokered)}
	for _, body := range []string{"", "nonsense", "[{}]", "null", `{"scopes":`, `{"scopes":{}}`, with(`"protected_resources":null`), with(`"protected_resources":"x"`)} {
		if got := d.withSample([]byte(body)); string(got) != body {
			t.Errorf("%.40q became %.60q, want it unchanged", body, got)
		}
	}
	body := with(`"branding":{},"branding":{"name":"twice"}`)
	before, after, found := strings.Cut(string(d.withSample([]byte(body))), `"protected_resources":[`)
	if _, rest, _ := strings.Cut(after, "],"); !found || !strings.HasPrefix(before, "{") || !strings.HasSuffix(rest, body[1:]) {
		t.Errorf("%s became %s...%s, want its own text at the end", body, before, after)
	}
}

func TestLoadSaysWhatIsWrong(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none.json")
	faulty := in(t, broker.ModeBrokered, strings.NewReplacer(`"open_registration": "open"`, `"open_registration": "opne"`, `"loopback": true`, `"loopback": "yes"`).Replace(string(config.Example())))
	for _, tt := range []struct {
		document document
		want     []string
	}{
		{document{missing, sampleURL, deploymentOf(broker.ModeBrokered)}, []string{"cannot read the configuration " + missing + ": no such file or directory"}},
		{document{filepath.Dir(missing), sampleURL, deploymentOf(broker.ModeBrokered)}, []string{"is a directory"}},
		{faulty, []string{"the configuration " + faulty.file + " has faults:\n", "open_registration: ", "profiles.open.redirect_uris.loopback: ", "profiles.trusted.redirect_uris.loopback: "}},
	} {
		_, conf, err := tt.document.load()
		e, ok := errors.AsType[*configurationError](err)
		if !ok || conf != nil || e.file != tt.document.file {
			t.Errorf("load = %v, %v, want a configurationError of %s", conf, err, tt.document.file)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("load = %v, want %q", err, want)
			}
		}
	}
	if _, _, err := (document{missing, sampleURL, deploymentOf(broker.ModeBrokered)}).load(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("load = %v, want an error that wraps its cause", err)
	}
}
