package functions

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
)

// One run of the janitor, started as its schedule does, does everything that
// brokered mode needs.
func TestJanitorOfBrokeredMode(t *testing.T) {
	t.Parallel()
	d := deployWith(t, 10, dedicated)
	open := d.register(publicMetadata, "http://127.0.0.1:40001/callback", "")
	b := d.browser()
	_, at := d.begin(b, open)
	openTokens := d.tokens(open, d.consent(b, open, at).Get("code"))
	site := d.register(confidentialMetadata, siteURI, "Bearer "+d.initial)
	b = d.browser()
	_, at = d.begin(b, site)
	siteTokens := d.tokens(site, d.consent(b, site, at).Get("code"))
	d.private.recent()

	// The site's lifetime has ended, an app client has lost its record, and the
	// deployment offers another scope.
	d.age(site.id)
	orphan := d.orphan()
	d.profile("trusted")["lifetimes"] = object{"absolute": "1d"}
	d.document["scopes"] = append(d.document["scopes"].([]object), object{"name": "email"})
	d.configure()
	d.all["janitor"] = d.function("janitor") // has read nothing yet
	done := d.janitor(t)
	if want := (janitor.Report{Expired: 1, EndedGrants: 1, Removed: 1, Orphans: 1, Grown: 1}); done != want {
		t.Errorf("the janitor did %+v, want %+v", done, want)
	}

	d.token(site, http.StatusUnauthorized, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {text(siteTokens, "refresh_token")}})
	d.token(open, http.StatusOK, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {text(openTokens, "refresh_token")}})
	if names := d.appClients(); len(names) != 1 || strings.HasPrefix(names[0], orphan) {
		t.Errorf("app clients are %q, want only the one of the open profile", names)
	}
	if done := d.janitor(t); done != (janitor.Report{}) {
		t.Errorf("the next run did %+v, want nothing", done)
	}
	for _, function := range []string{"provision", "janitor", "local"} {
		d.control.callsOf(function)
	}
	d.finish()
}

func TestJanitorOfDirectMode(t *testing.T) {
	t.Parallel()
	d := deployDirect(t)
	expired := d.register(publicMetadata, redirectURI, "")
	updating := d.register(strings.Replace(publicMetadata, "Example", "Another", 1), redirectURI, "Bearer "+d.real[exampleInitial])

	d.age(expired.id)
	orphan := d.orphan()
	store := d.openStore()
	r, err := store.Registration(t.Context(), updating.id)
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
	d.profile("open")["lifetimes"] = object{"absolute": "1d"}
	d.configure()
	done := d.janitor(t)
	if want := (janitor.Report{Expired: 1, Removed: 1, Orphans: 1, Restored: 1}); done != want {
		t.Errorf("the janitor did %+v, want %+v", done, want)
	}
	d.call("GET", "/register/"+expired.id, nil, "Bearer "+expired.management, http.StatusUnauthorized)
	d.call("GET", "/register/"+updating.id, nil, "Bearer "+updating.management, http.StatusOK)
	if names := d.appClients(); len(names) != 1 || strings.HasPrefix(names[0], orphan) {
		t.Errorf("app clients are %q, want only the one of the remaining registration", names)
	}
	for name, f := range d.all {
		f.Close()
		checkLines(t, name, f.Logs(), d.hidden())
	}
}

// openStore returns the store on the deployment's table, so that a test can
// change records as if time had passed.
func (d *deployment) openStore() *records.Store { return wire.Table(d.config(), d.sdk()) }

// age makes a registration two days old and due, so that the janitor checks it.
func (d *deployment) age(clientID string) {
	t := d.tb()
	t.Helper()
	store := d.openStore()
	r, err := store.Registration(t.Context(), clientID)
	if err != nil {
		t.Fatal(err)
	}
	r.IssuedAt, r.Due, r.ExpiresAt = r.IssuedAt.Add(-48*time.Hour), broker.Seconds(time.Now().Add(-time.Hour)), time.Time{}
	if err := store.ReplaceRegistration(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

// orphan creates an app client that is two hours old by the deployment's mark
// and has no record, and makes the table older than two hours. It returns the
// name of the app client without the mark.
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
	store := d.openStore()
	mine, err := store.TableOwner(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mine.Began = mine.Began.Add(-48 * time.Hour)
	if err := store.SetTableOwner(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	return name
}

// appClients returns the names of all app clients in the pool.
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
