package functions

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"github.com/dcr-broker/dcr-broker/internal/dynamo"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
)

// All that the janitor of brokered mode has to do in one run, as its schedule
// starts it.
func TestJanitorOfBrokeredMode(t *testing.T) {
	t.Parallel()
	d := deploy(t, 10)
	open := d.register(publicMetadata, "http://127.0.0.1:40001/callback", "")
	b := d.browser()
	_, at := d.begin(b, open)
	openTokens := d.tokens(open, d.consent(b, open, at).Get("code"))
	site := d.register(confidentialMetadata, siteURI, "Bearer "+d.initial)
	b = d.browser()
	_, at = d.begin(b, site)
	siteTokens := d.tokens(site, d.consent(b, site, at).Get("code"))
	d.private.taken()

	// The site's life is over, an app client has lost its record, and another
	// scope is offered.
	d.age(site.id)
	orphan := d.orphan()
	d.policyIs(policyWith(t, `{"trusted":{"lifetimes":{"absolute":"1d"}}}`))
	d.env["SCOPES"] += " email"
	d.all["janitor"] = d.function("janitor")
	done := d.janitor(t)
	if want := (broker.Swept{Expired: 1, EndedGrants: 1, Removed: 1, Orphans: 1, Grown: 1}); done != want {
		t.Errorf("the janitor did %+v, want %+v", done, want)
	}

	d.token(site, http.StatusUnauthorized, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {text(siteTokens, "refresh_token")}})
	d.token(open, http.StatusOK, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {text(openTokens, "refresh_token")}})
	if names := d.appClients(); len(names) != 1 || strings.HasPrefix(names[0], orphan) {
		t.Errorf("app clients are %q, want that of the open profile alone", names)
	}
	if done := d.janitor(t); done != (broker.Swept{}) {
		t.Errorf("the next run did %+v, want that there is nothing left to do", done)
	}
	for _, function := range []string{"provision", "janitor", "local"} {
		d.control.by(function)
	}
	d.finish()
}

func TestJanitorOfDirectMode(t *testing.T) {
	t.Parallel()
	d := deployDirect(t, "ssm:"+policyParameter)
	over := d.register(publicMetadata, redirectURI, "")
	half := d.register(strings.Replace(publicMetadata, "Example", "Another", 1), redirectURI, "Bearer "+d.real[exampleInitial])

	d.age(over.id)
	orphan := d.orphan()
	store := d.kept()
	r, err := store.Registration(t.Context(), half.id)
	if err != nil {
		t.Fatal(err)
	}
	a, err := store.AppClient(t.Context(), r.AppClient)
	if err != nil {
		t.Fatal(err)
	}
	a.State, a.Due = broker.AppClientUpdating, time.Now().Add(-time.Hour)
	if err := store.ReplaceAppClient(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	d.policyIs(policyWith(t, `{"open":{"lifetimes":{"absolute":"1d"}}}`))
	done := d.janitor(t)
	if want := (broker.Swept{Expired: 1, Removed: 1, Orphans: 1, Restored: 1}); done != want {
		t.Errorf("the janitor did %+v, want %+v", done, want)
	}
	d.ask("GET", "/register/"+over.id, nil, "Bearer "+over.management, http.StatusUnauthorized)
	d.ask("GET", "/register/"+half.id, nil, "Bearer "+half.management, http.StatusOK)
	if names := d.appClients(); len(names) != 1 || strings.HasPrefix(names[0], orphan) {
		t.Errorf("app clients are %q, want that of the registration that is left alone", names)
	}
	for name, f := range d.all {
		f.Close()
		checkLines(t, name, f.Logs(), d.hidden())
	}
}

// policyWith is the policy that ships with more settings in profiles.
func policyWith(t *testing.T, profiles string) string {
	t.Helper()
	var document struct {
		Version  int                       `json:"version"`
		Open     string                    `json:"open_registration"`
		Profiles map[string]map[string]any `json:"profiles"`
	}
	var more map[string]map[string]any
	for v, text := range map[any]string{&document: string(policy.Default()), &more: profiles} {
		if err := json.Unmarshal([]byte(text), v); err != nil {
			t.Fatal(err)
		}
	}
	for name, settings := range more {
		for key, v := range settings {
			document.Profiles[name][key] = v
		}
	}
	b, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// kept is the table, for what only time would make of it.
func (d *deployment) kept() *dynamo.Store { return wire.Store(d.config(), d.sdk()) }

// age makes a registration two days old, so that it is looked at.
func (d *deployment) age(clientID string) {
	t := d.tb()
	t.Helper()
	store := d.kept()
	r, err := store.Registration(t.Context(), clientID)
	if err != nil {
		t.Fatal(err)
	}
	r.IssuedAt, r.Due, r.ExpiresAt = r.IssuedAt.Add(-48*time.Hour), time.Now().Add(-time.Hour).Truncate(time.Second), time.Time{}
	if err := store.ReplaceRegistration(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

// orphan makes an app client that has carried the deployment's mark for two hours
// and has no record, in a table that is older. It returns its name without the
// mark.
func (d *deployment) orphan() string {
	t := d.tb()
	t.Helper()
	const name = "Left behind"
	marker := broker.NewMarker(time.Now().Add(-2 * time.Hour))
	if _, err := d.cognitoAPI().CreateUserPoolClient(t.Context(), &cip.CreateUserPoolClientInput{
		UserPoolId: aws.String(poolID), ClientName: aws.String(name + " dcr@" + d.env["DEPLOYMENT_ID"] + "." + marker),
	}); err != nil {
		t.Fatal(err)
	}
	store := d.kept()
	mine, err := store.Deployment(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mine.Began = mine.Began.Add(-48 * time.Hour)
	if err := store.SetDeployment(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	return name
}

// appClients are the names of all in the pool.
func (d *deployment) appClients() []string {
	t := d.tb()
	t.Helper()
	out, err := d.cognitoAPI().ListUserPoolClients(t.Context(), &cip.ListUserPoolClientsInput{UserPoolId: aws.String(poolID), MaxResults: aws.Int32(60)})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, a := range out.UserPoolClients {
		names = append(names, aws.ToString(a.ClientName))
	}
	slices.Sort(names)
	return names
}

func (d *deployment) cognitoAPI() *cip.Client {
	return cip.NewFromConfig(d.sdk(), func(o *cip.Options) { o.BaseEndpoint = aws.String(d.pool) })
}
