package token_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzRequest sends arbitrary requests to the endpoints. stack.check checks that
// the answer is OAuth JSON and not 500. No request may get a token or change the
// grant.
func FuzzRequest(f *testing.F) {
	s := newStack(f)
	c := s.public()
	g, code := s.code(c)
	client := "&client_id=" + c.ClientID
	forged := s.forge(g.ID)
	for _, form := range []string{
		"", codeForm("x") + client, codeForm("dcr_ac_") + client, codeForm("dcr_ac_"+g.ID) + client, with(code, "code_verifier", strings.Repeat("a", 43)) + client,
		refreshForm("dcr_rt_") + client, refreshForm(forged) + client, refreshForm(forged[:40]) + client, refreshForm(forged+"a") + client,
		machineForm + client, "token=" + forged + client, "token=a.b.c" + client, "token=" + signedBy("a.b.c", "d.e.f"), "token=eyJhbGciOiJSUzI1NiJ9.e30.", "%00=%ff",
	} {
		f.Add("", form)
		f.Add(basic(c.ClientID, "x"), form)
		f.Add(basic(notesID, notesSecret), form)
	}
	f.Fuzz(func(t *testing.T, authorization, form string) {
		s.T = t
		for _, path := range []string{"/token", "/revoke", "/introspect"} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(form))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Authorization", authorization)
			rec := httptest.NewRecorder()
			s.handler.ServeHTTP(rec, r)
			if a := s.check(rec.Result(), rec.Body.Bytes()); a.text("access_token") != "" || a.body["active"] == true {
				t.Errorf("%s with %q and %q: got %s", path, authorization, form, a.raw)
			}
		}
		s.wantStands(g.ID)
	})
}
