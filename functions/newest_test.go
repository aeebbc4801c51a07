package functions

import (
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/test/must"
)

// Clients of a profile that an operator has just added register, sign users in
// and get tokens at once, although every function has an older configuration.
func TestANewProfileIsUsableAtOnce(t *testing.T) {
	t.Parallel()
	d := deployWith(t, 10, (*world).moveClock)
	d.checkFlow(t)
	d.document["profiles"].(object)["tools"] = d.profile("trusted")
	file := filepath.Join(t.TempDir(), "broker.json")
	must.WriteFile(t, file, must.Marshal(t, d.document))
	if output, ok := d.dcrctl("config", "apply", file, "--yes"); !ok {
		t.Fatalf("dcrctl config apply: %s", output)
	}
	output, ok := d.dcrctl("iat", "create", "--profile", "tools", "--uses", "0", "--created-by", "ops")
	initial := tokenIn(output)
	if !ok || initial == "" {
		t.Fatalf("dcrctl iat create: %s", output)
	}
	d.secrets = append(d.secrets, initial)

	// One function after the other gets the new version. The others have the one
	// before.
	r := d.register(confidentialMetadata, siteURI, "Bearer "+initial)
	d.inForce(t, map[string]string{"register": "2", "authorize": "1", "token": "1", "provision": "1"})
	b := d.browser()
	_, at := d.begin(b, r)
	d.inForce(t, map[string]string{"authorize": "2", "token": "1", "provision": "2"})
	tok := d.tokens(r, d.consent(b, r, at).Get("code"))
	if !d.active(text(tok, "access_token")) {
		t.Error("the access token is not active")
	}
	got := d.call("POST", "/register", machineMetadata, "Bearer "+initial, http.StatusCreated)
	m := registration{id: text(got, "client_id"), secret: text(got, "client_secret")}
	d.token(m, http.StatusOK, url.Values{"grant_type": {"client_credentials"}})
	d.finishUncounted()
}

// tokenIn returns the initial access token in the output of dcrctl, or "".
func tokenIn(output string) string {
	words := strings.Fields(output)
	if i := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "dcr_iat_") }); i >= 0 {
		return words[i]
	}
	return ""
}

// inForce checks which version each function has in force, in its only process.
func (d *deployment) inForce(t *testing.T, want map[string]string) {
	t.Helper()
	for name, version := range want {
		f := d.all[name]
		const field = `"configuration_version":`
		logs := f.Logs()
		_, last, _ := strings.Cut(logs[strings.LastIndex(logs, field)+1:], ":")
		if !strings.HasPrefix(last, version+",") || f.Starts() != 1 {
			t.Errorf("%s has version %.10s in force after %d starts, want %s after one", name, last, f.Starts(), version)
		}
	}
}
