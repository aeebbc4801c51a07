package broker

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// AppClientState is how far the making or unmaking of an app client has got.
type AppClientState string

const (
	// AppClientCreating is written before Cognito is asked to create the app
	// client. Whether there is one is not known.
	AppClientCreating AppClientState = "creating"
	// AppClientReady exists at Cognito and serves a registration.
	AppClientReady AppClientState = "ready"
	// AppClientUpdating exists, and may carry the metadata of its registration
	// or those of an update that was not completed.
	AppClientUpdating AppClientState = "updating"
	// AppClientRemoving must go, and its registration with it. An app client
	// whose creation was given up is removing with an empty CognitoID.
	AppClientRemoving AppClientState = "removing"
	// AppClientAdopting exists, and may not carry our mark yet. It was somebody
	// else's, and has ClientID for its id.
	AppClientAdopting AppClientState = "adopting"
	// AppClientVacant does not exist, and may be made. The record of a brokered
	// app client outlives it, so that its version never begins again: whoever is
	// late finds that out.
	AppClientVacant AppClientState = "vacant"
)

// AppClientKind is what an app client is for.
type AppClientKind string

const (
	// KindDirect serves one registration of direct mode and has its id.
	KindDirect AppClientKind = ""
	// KindShared serves all registrations of a profile in brokered mode.
	KindShared AppClientKind = "shared"
	// KindDedicated serves one registration in brokered mode.
	KindDedicated AppClientKind = "dedicated"
)

// AppClient is our record of an app client at Cognito. It is written before
// the app client exists and removed after the app client is gone, so that
// whatever is half done can be found and finished.
type AppClient struct {
	// Key is unique in the deployment. In direct mode it is random and never
	// used again; see SharedAppClientKey and DedicatedAppClientKey.
	Key string
	// Version is 1 for a new record and grows by one with each replacement.
	Version int64
	Kind    AppClientKind
	State   AppClientState
	// Marker is the part of the app client's name that says whose it is.
	Marker string
	// Abandoned are the markers of creations of which nothing was heard. Each
	// may have left an app client at Cognito, which must go.
	Abandoned []string
	// CognitoID is the app client's id, empty while it is not known.
	CognitoID string
	// Profile and Use are the budgets that it holds: a place among the app
	// clients of the profile and, in direct mode, a use of what vouches for its
	// registration, each under Key.
	Profile string
	Use     Use
	// ClientID and Generation name the registration that a dedicated one serves.
	ClientID   string
	Generation string
	// Scopes are those that the app client of a brokered registration has at
	// Cognito, openid included. No others may be asked for through it.
	Scopes []string
	// Secret is Cognito's client secret, sealed for the purpose "app_client"
	// and SecretOwner; empty in direct mode.
	Secret string
	// Branded is whether it has a branding style, without which Cognito's
	// managed login (version 2) shows no sign-in page.
	Branded bool
	// CreatedAt is when its making, under its present marker, was begun.
	CreatedAt time.Time
	// Due is when somebody must look at it again; zero is never.
	Due time.Time
}

// Mode is the mode in which the app client serves: what to do about its record
// is for that mode, whatever the deployment's mode is now.
func (a *AppClient) Mode() Mode {
	if a.Kind == KindDirect {
		return ModeDirect
	}
	return ModeBrokered
}

// SecretPurpose is what the secret of an app client is sealed for.
const SecretPurpose = "app_client"

// SecretOwner is whose the sealed secret is: it opens in no other record, and
// not after the app client has been made anew.
func (a *AppClient) SecretOwner() string { return a.Key + "/" + a.Marker }

// Usable reports whether users can be signed in through the app client. branding
// is whether the sign-in pages are those of managed login (version 2). If it is
// not, a Provisioner makes it so.
func (a *AppClient) Usable(branding bool) bool {
	return a.State == AppClientReady && (a.Branded || !branding)
}

// vacate makes a the record of no app client.
func (a *AppClient) Vacate() {
	a.State, a.Marker, a.CognitoID, a.Secret, a.Branded = AppClientVacant, "", "", "", false
	a.Abandoned, a.Scopes, a.Due = nil, nil, time.Time{}
}

// Clone returns a copy that shares no memory with a.
func (a *AppClient) Clone() *AppClient {
	c := *a
	c.Abandoned = slices.Clone(a.Abandoned)
	c.Scopes = slices.Clone(a.Scopes)
	return &c
}

// SharedAppClientKey is the key of the app client that all registrations of a
// profile share.
func SharedAppClientKey(profile string) string { return "profile/" + profile }

// DedicatedAppClientKey is the key of the app client of one registration.
func DedicatedAppClientKey(clientID, generation string) string {
	return "client/" + clientID + "/" + generation
}

// BrokeredAppClient is what an app client is to be that the broker itself uses.
// Whatever else it has, its one callback included, follows from the deployment.
type BrokeredAppClient struct {
	// Name is for people who look at the pool: the name of the profile or of
	// the client, the latter as hostile as any.
	Name string
	// Scopes include openid, unless ClientCredentials.
	Scopes []string
	// ClientCredentials makes an app client for client_credentials alone, not
	// for signing users in.
	ClientCredentials bool
}

// A ForeignAppClient is an app client that does not carry our mark.
type ForeignAppClient struct {
	ID   string
	Name string
	// Metadata is what a registration with its settings would say.
	Metadata dcr.ClientMetadata
	// Refused is why it cannot be adopted, empty if it can.
	Refused string
}

// ErrBrandingLimit means that the pool has all the branding styles that it can
// have (20), so that a new app client would have no sign-in page. Profiles with
// app_client "shared" need one each.
var ErrBrandingLimit = errors.New("all branding styles of the user pool are used up")

// ErrNoSlot means that Cognito was not called, since this deployment makes as many
// calls as it may. It comes with a *dcr.Error of code Unavailable, inside a
// *NotAppliedError.
var ErrNoSlot = errors.New("no call to Cognito is free")

// A Provisioner makes sure that the app client with that key exists and is
// usable. It is what the functions that face the internet have instead of a
// right at Cognito. A nil error means that the record can be read and used. If
// the registration or profile that the key names may have no app client, the
// error is ErrNotFound; if it is worth coming back, it holds a *dcr.Error of code
// Unavailable with RetryAfter, and ErrBrandingLimit besides, if that is why.
type Provisioner interface {
	Provision(ctx context.Context, key string) error
}

// NewAppClient is what Cognito gave for a created app client. Secret is empty
// for a public client and is stored nowhere.
type NewAppClient struct {
	ID     string
	Secret string
}

// ListedAppClient is an app client of this deployment as Cognito lists it.
type ListedAppClient struct {
	ID     string
	Marker string
}

// NotAppliedError says that an effect was certainly not applied. Err may be a
// *dcr.Error, which is then what the client is told.
type NotAppliedError struct{ Err error }

func (e *NotAppliedError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *NotAppliedError) Unwrap() error { return e.Err }
