package functions

import (
	"net/http"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/test/dynamodbtest"
	"github.com/dcr-broker/dcr-broker/test/lambdaruntime"
)

// deployDirect is deploy for direct mode.
func deployDirect(t *testing.T) *deployment {
	t.Helper()
	return deployDirectWith(t, nil)
}

// deployDirectWith is deployWith for direct mode.
func deployDirectWith(t *testing.T, change func(*world)) *deployment {
	t.Helper()
	endpoint := dynamodbtest.Endpoint(t)
	d := &deployment{all: make(map[string]*lambdaruntime.Function)}
	d.world = newWorld(t, endpoint)
	g, srv := newGateway(t)
	d.gateway, d.issuer, d.transport = g, srv.URL, srv.Client().Transport
	d.env["ISSUER"] = d.issuer
	if change != nil {
		change(d.world)
	}
	d.world.store()
	d.initial = d.real[exampleInitial]
	d.start()
	return d
}

// The whole flow of direct mode on the real bootstraps. Each has its own role.
func TestDirectModeOnBootstraps(t *testing.T) {
	t.Parallel()
	d := deployDirect(t)
	open := d.register(publicMetadata, redirectURI, "")
	if open.id == "" || open.management == "" {
		t.Fatalf("registered %+v, want a client with a registration access token", open)
	}
	bearer := "Bearer " + open.management
	d.call("GET", "/register/"+open.id, nil, bearer, http.StatusOK)
	changed := `{"client_id":"` + open.id + `","client_name":"Changed","redirect_uris":["` + redirectURI + `"],"token_endpoint_auth_method":"none"}`
	bearer = "Bearer " + text(d.call("PUT", "/register/"+open.id, changed, bearer, http.StatusOK), "registration_access_token")
	site := d.register(confidentialMetadata, siteURI, "Bearer "+d.real[exampleInitial])
	if site.secret == "" {
		t.Errorf("registered %+v, want a confidential client", site)
	}
	d.called(t, "register", map[string]int{"CreateUserPoolClient": 2, "DescribeUserPoolClient": 1, "UpdateUserPoolClient": 1})

	d.call("DELETE", "/register/"+open.id, nil, bearer, http.StatusNoContent)
	d.called(t, "register", map[string]int{"DescribeUserPoolClient": 1, "DeleteUserPoolClient": 1})
	if done := d.janitor(t); done.Failed != 0 {
		t.Errorf("the janitor did %+v, want no failure", done)
	}
	d.called(t, "janitor", map[string]int{"ListUserPoolClients": 1})
	if others := d.control.remaining(); len(others) > 0 {
		t.Errorf("other functions called Cognito's API: %v", others)
	}
	for name, f := range d.all {
		f.Close()
		checkLines(t, name, f.Logs(), d.secrets)
		if strings.Contains(f.Logs(), `"level":"ERROR"`) {
			t.Errorf("%s logged an error:\n%s", name, f.Logs())
		}
	}
}
