package functions

import (
	"net/http"
	"strings"
	"testing"
)

// An identity provider that the user pool does not have keeps the provision
// function from making app clients. The function says so in its log, once for
// each attempt, and users may try again.
func TestAnIdentityProviderThatDoesNotExistIsAnError(t *testing.T) {
	t.Parallel()
	d := deployWith(t, 10, func(w *world) { w.document["identity_providers"] = []string{"COGNITO", "Gogle"} })
	r := d.register(publicMetadata, "http://127.0.0.1:40001/callback", "")
	a := d.send(d.browser().Client, "GET", r.authorizePath(), nil, "")
	if a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || strings.Contains(string(a.Body), "Gogle") {
		t.Errorf("GET /authorize = %d, Retry-After %q, %s; want 503 without the reason", a.Status, a.Header.Get("Retry-After"), a.Body)
	}
	f := d.all["provision"]
	f.Close() // after which the log is complete
	if logs := f.Logs(); errorsIn(t, logs, "") != 1 || !strings.Contains(logs, "The provider Gogle does not exist") {
		t.Errorf("want one error with the reason:\n%s", logs)
	}
	d.finishUncounted()
}
