package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// update returns the body of a PUT for the client.
func (r *registration) update(members string) string {
	return fmt.Sprintf(`{"client_id":%q,"redirect_uris":["http://127.0.0.1:33418/callback"],%s}`, r.id, members)
}

func TestManagement(t *testing.T) { each(t, testManagement) }

func testManagement(t *testing.T, d *deployment) {
	r := d.registerManaged(t, publicClient)

	got := exchange{name: "read", send: "GET " + r.path, header: []string{bearer(r.token)}, status: 200,
		headers: map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store"}}.run(t, d)
	if !sameObject(t, got.body, r.body) {
		t.Errorf("GET = %s, want the same as the registration: %s", got.body, r.body)
	}

	put := exchange{name: "update", send: "PUT " + r.path, header: []string{jsonBody, bearer(r.token)},
		body:   r.update(`"client_name":"e2e, renamed","token_endpoint_auth_method":"none"`),
		status: 200, headers: map[string]string{"Cache-Control": "no-store"},
		members: map[string]string{"client_id": r.id, "client_name": "e2e, renamed", "registration_access_token": `dcr_rat_.+`}}.run(t, d)
	old, next := r.token, put.member("registration_access_token")
	if next == old {
		t.Fatal("PUT returned the same token, want a new one")
	}

	// The client may not have received the new token, so the old one works until
	// the new one is used.
	refused := map[string]string{"WWW-Authenticate": `Bearer error="invalid_token", .*`}
	for _, x := range []exchange{
		{send: "GET " + r.path, header: []string{bearer(old)}, status: 200, members: map[string]string{"client_name": "e2e, renamed"}},
		{send: "GET " + r.path, header: []string{bearer(next)}, status: 200, members: map[string]string{"registration_access_token": next}},
		{send: "GET " + r.path, header: []string{bearer(old)}, status: 401, headers: refused},
	} {
		x.run(t, d)
	}
	r.token = next

	d.run(t, []exchange{
		{name: "no token", send: "GET " + r.path, status: 401, headers: map[string]string{"WWW-Authenticate": `Bearer realm="registration"`}},
		{name: "update without client_id", send: "PUT " + r.path, header: []string{jsonBody, bearer(r.token)}, body: publicClient,
			status: 400, members: map[string]string{"error": "invalid_client_metadata"}},
		{name: "update with another client_id", send: "PUT " + r.path, header: []string{jsonBody, bearer(r.token)},
			body: strings.Replace(r.update(`"client_name":"a"`), r.id, "another", 1), status: 400, members: map[string]string{"error": "invalid_client_metadata"}},
		{name: "update of a member of the server", send: "PUT " + r.path, header: []string{jsonBody, bearer(r.token)},
			body: r.update(`"registration_access_token":"a"`), status: 400, members: map[string]string{"error": "invalid_client_metadata"}},
		{name: "update with a bad redirect URI", send: "PUT " + r.path, header: []string{jsonBody, bearer(r.token)},
			body:   fmt.Sprintf(`{"client_id":%q,"redirect_uris":["http://app.example.com/"],"token_endpoint_auth_method":"none"}`, r.id),
			status: 400, members: map[string]string{"error": "invalid_redirect_uri"}},
		{name: "update that is too large", send: "PUT " + r.path, header: []string{jsonBody, bearer(r.token)},
			body: r.update(`"x":"` + strings.Repeat("a", 64<<10) + `"`), status: 413},
		{name: "update that is not JSON", send: "PUT " + r.path, header: []string{formBody, bearer(r.token)}, body: "client_id=" + r.id, status: 415},
		{name: "read after the refused updates", send: "GET " + r.path, header: []string{bearer(r.token)},
			status: 200, members: map[string]string{"client_name": "e2e, renamed"}},
	})

	deleted := exchange{send: "DELETE " + r.path, header: []string{bearer(r.token)}, status: 204}.run(t, d)
	if len(deleted.body) > 0 {
		t.Errorf("DELETE = %q, want no body", deleted.body)
	}
	d.run(t, []exchange{
		{name: "read after delete", send: "GET " + r.path, header: []string{bearer(r.token)}, status: 401, headers: refused},
		{name: "update after delete", send: "PUT " + r.path, header: []string{jsonBody, bearer(r.token)}, body: r.update(`"client_name":"a"`), status: 401, headers: refused},
		{name: "delete after delete", send: "DELETE " + r.path, header: []string{bearer(r.token)}, status: 401, headers: refused},
		{name: "token after delete", send: "POST /token", header: []string{formBody},
			body: "grant_type=refresh_token&refresh_token=a&client_id=" + r.id, status: 401, members: map[string]string{"error": "invalid_client"}},
	})
	if d.brokered() {
		d.openPage(t, "GET /authorize?"+d.request(r.id).Encode(), 400, "This app has to register again")
	}
}

func TestManagementOfAConfidentialClient(t *testing.T) { each(t, testManagementOfAConfidentialClient) }

func testManagementOfAConfidentialClient(t *testing.T, d *deployment) {
	d.needsInitialAccessToken(t)
	r := d.register(t, `{"redirect_uris":["http://127.0.0.1:33418/callback"]}`, bearer(d.initialAccessToken))
	header := []string{jsonBody, bearer(r.token)}
	bad := map[string]string{"error": "invalid_client_metadata"}
	d.run(t, []exchange{
		{name: "another secret", send: "PUT " + r.path, header: header, body: r.update(`"client_secret":"another"`), status: 400, members: bad},
		// Cognito cannot change it; brokered mode behaves the same.
		{name: "without its secret", send: "PUT " + r.path, header: header, body: r.update(`"token_endpoint_auth_method":"none"`), status: 400, members: bad},
	})
	put := exchange{send: "PUT " + r.path, header: header, status: 200,
		body:    r.update(fmt.Sprintf(`"client_secret":%q,"token_endpoint_auth_method":"client_secret_post"`, r.secret)),
		members: map[string]string{"token_endpoint_auth_method": "client_secret_post"}}.run(t, d)
	r.token = put.member("registration_access_token")
}

// A token gives no information about other clients.
func TestAccessTokensOfOtherRegistrationsAreRefused(t *testing.T) {
	each(t, testAccessTokensOfOtherRegistrationsAreRefused)
}

func testAccessTokensOfOtherRegistrationsAreRefused(t *testing.T, d *deployment) {
	mine, others, gone := d.registerManaged(t, publicClient), d.registerManaged(t, publicClient), d.registerManaged(t, publicClient)
	exchange{send: "DELETE " + gone.path, header: []string{bearer(gone.token)}, status: 204}.run(t, d)

	for _, method := range []string{"GET", "PUT", "DELETE"} {
		var want answer
		for i, tt := range []struct{ name, path, token string }{
			{"an unknown client", "/register/unknown", mine.token},
			{"another client", others.path, mine.token},
			{"a deleted client", gone.path, mine.token},
			{"a deleted client's own token", gone.path, gone.token},
			{"an unknown token", others.path, "dcr_rat_unknown"},
			{"an impossible id", "/register/%22%3Cscript%3E", mine.token},
		} {
			a := exchange{name: tt.name, send: method + " " + tt.path, header: []string{jsonBody, bearer(tt.token)}, body: others.update(`"client_name":"a"`), status: 401}.run(t, d)
			delete(a.object, "request_id")
			a.header.Del("Date")
			if i == 0 {
				want = a
				continue
			}
			got, _ := json.Marshal([]any{a.object, a.header.Values("WWW-Authenticate"), a.header.Values("Content-Type"), len(a.header)})
			wanted, _ := json.Marshal([]any{want.object, want.header.Values("WWW-Authenticate"), want.header.Values("Content-Type"), len(want.header)})
			if !bytes.Equal(got, wanted) {
				t.Errorf("%s %s: got %s, want %s as for an unknown client", method, tt.name, got, wanted)
			}
		}
	}
}

// sameObject compares JSON objects, with their members in any order.
func sameObject(t *testing.T, a, b []byte) bool {
	t.Helper()
	var objects [2]map[string]any
	for i, raw := range [][]byte{a, b} {
		if err := json.Unmarshal(raw, &objects[i]); err != nil {
			t.Fatal(err)
		}
	}
	x, _ := json.Marshal(objects[0])
	y, _ := json.Marshal(objects[1])
	return bytes.Equal(x, y)
}
