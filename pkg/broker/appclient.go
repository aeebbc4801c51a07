package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// AppClientState is how far the creation or removal of an app client has got.
type AppClientState string

const (
	// AppClientCreating is written before the call that creates the app client
	// at Cognito. It is not known whether the app client exists.
	AppClientCreating AppClientState = "creating"
	// AppClientReady means that the app client exists at Cognito and serves its
	// registrations.
	AppClientReady AppClientState = "ready"
	// AppClientUpdating means that the app client exists. Its settings are
	// those of its registration, or those of an update that was not completed.
	AppClientUpdating AppClientState = "updating"
	// AppClientRemoving means that the app client must be removed, and its
	// registration deleted. CognitoID is empty if its creation was abandoned.
	AppClientRemoving AppClientState = "removing"
	// AppClientAdopting means that the app client exists, was created by
	// another program, and may not carry our marker yet. Its id at Cognito is
	// ClientID.
	AppClientAdopting AppClientState = "adopting"
	// AppClientVacant means that there is no app client, and that one may be
	// created. The record of a brokered app client outlives it, so that its
	// version never starts again at 1: a request that holds an older version
	// gets ErrConflict.
	AppClientVacant AppClientState = "vacant"
)

// AppClientKind is the use of an app client.
type AppClientKind string

const (
	// KindDirect serves one registration of direct mode and has its id.
	KindDirect AppClientKind = ""
	// KindShared serves all registrations of a profile in brokered mode.
	KindShared AppClientKind = "shared"
	// KindDedicated serves one registration in brokered mode.
	KindDedicated AppClientKind = "dedicated"
)

// AppClient is our record of an app client at Cognito. It is written before the
// app client exists and removed after the app client is gone, so that the
// janitor finds and finishes what a request left half done.
type AppClient struct {
	// Key is unique in the deployment. In direct mode it is random and never
	// used again; see SharedAppClientKey and DedicatedAppClientKey.
	Key string `json:"-" store:"key"`
	// Version is 1 for a new record and grows by one with each replacement. The
	// store sets it.
	Version int64 `json:"-" store:"version"`
	// Kind is the use of the app client.
	Kind AppClientKind `json:"kind,omitempty"`
	// State is how far its creation or removal has got.
	State AppClientState `json:"-" store:"state"`
	// Marker is the part of the app client's name at Cognito that identifies
	// this deployment and this creation; see NewMarker.
	Marker string `json:"marker"`
	// Abandoned are the markers of creations whose result is unknown. Each may
	// have left an app client at Cognito, which must be removed.
	Abandoned []string `json:"abandoned,omitempty"`
	// CognitoID is the app client's id at Cognito, empty while it is not known.
	CognitoID string `json:"cognito_id,omitempty"`
	// Profile is the policy profile in whose budget of app clients this one
	// holds a place, under Marker.
	Profile string `json:"profile"`
	// Use is the use of an initial access token that this one holds in direct
	// mode, under Key.
	Use Use `json:"use,omitzero"`
	// ClientID is the client whose registration a dedicated app client serves.
	ClientID string `json:"client_id,omitempty"`
	// Generation is the generation of that registration.
	Generation string `json:"generation,omitempty"`
	// Scopes are the scopes that the app client of brokered mode has at
	// Cognito, openid included. No other scopes may be requested through it.
	Scopes []string `json:"scopes,omitempty"`
	// Secret is Cognito's client secret, sealed for SecretPurpose and
	// SecretOwner; nil in direct mode.
	Secret []byte `json:"-" store:"secret"`
	// Branded is whether the app client has a branding style. Without one,
	// Cognito's managed login (version 2) shows no sign-in page.
	Branded bool `json:"branded,omitzero"`
	// ClientCredentials is whether the app client is for the grant type
	// client_credentials only. It then has no sign-in page and needs no style.
	ClientCredentials bool `json:"client_credentials,omitzero"`
	// CreatedAt is when the creation under the present marker began.
	CreatedAt time.Time `json:"created_at,omitzero"`
	// Due is when the janitor must check the record again; zero is never.
	Due time.Time `json:"-" store:"due_at"`
	// Unknown has the members of the stored record that this program does not
	// know, because a newer one wrote them: a JSON object, or nil. A store writes
	// them back.
	Unknown json.RawMessage `json:"-" store:"unknown"`
}

// Mode returns the mode in which the app client serves. That mode decides about
// its record, whatever the deployment's mode is now.
func (a *AppClient) Mode() Mode {
	if a.Kind == KindDirect {
		return ModeDirect
	}
	return ModeBrokered
}

// SecretPurpose is the purpose for which AppClient.Secret is sealed.
const SecretPurpose = "app_client"

// SecretOwner returns the owner for which Secret is sealed. The secret cannot
// be opened in another record, nor after the app client has been created again.
func (a *AppClient) SecretOwner() string { return a.Key + "/" + a.Marker }

// Usable reports whether the app client can be used for its purpose: users can
// sign in through it, or it gets tokens with client_credentials. branding is
// whether the sign-in pages are those of managed login (version 2). If it
// returns false, a Provisioner adds what is missing.
func (a *AppClient) Usable(branding bool) bool {
	return a.State == AppClientReady && (a.Branded || a.ClientCredentials || !branding)
}

// Vacate changes a to the record of no app client.
func (a *AppClient) Vacate() {
	a.State, a.Marker, a.CognitoID, a.Secret, a.Branded = AppClientVacant, "", "", nil, false
	a.Abandoned, a.Scopes, a.Due = nil, nil, time.Time{}
}

// Clone returns a copy that shares no memory with a.
func (a *AppClient) Clone() *AppClient {
	c := *a
	c.Abandoned = slices.Clone(a.Abandoned)
	c.Scopes = slices.Clone(a.Scopes)
	c.Secret = slices.Clone(a.Secret)
	c.Unknown = slices.Clone(a.Unknown)
	return &c
}

// SharedAppClientKey is the key of the app client that all registrations of a
// profile share.
func SharedAppClientKey(profile string) string { return "profile/" + profile }

// DedicatedAppClientKey is the key of the app client of one registration.
func DedicatedAppClientKey(clientID, generation string) string {
	return "client/" + clientID + "/" + generation
}

// BrokeredAppClient describes an app client that the broker itself uses. All
// other settings, its one callback URL included, follow from the deployment.
type BrokeredAppClient struct {
	// Name is for operators who look at the pool: the name of the profile, or
	// the name that the client chose, which may be hostile.
	Name string
	// Scopes are the scopes of the app client. They include openid, unless
	// ClientCredentials is set.
	Scopes []string
	// IdentityProviders are the identity providers of the app client; nil for those
	// of the deployment.
	IdentityProviders []string
	// ClientCredentials is whether the app client is for the grant type
	// client_credentials only, and not for signing in users.
	ClientCredentials bool
}

// A ForeignAppClient is an app client that does not carry this deployment's
// marker.
type ForeignAppClient struct {
	// ID is its id at Cognito.
	ID string
	// Name is its name at Cognito.
	Name string
	// Metadata is the client metadata that corresponds to its settings.
	Metadata dcr.ClientMetadata
	// Refused is the reason why it cannot be adopted, empty if it can.
	Refused string
}

// MaxBrandingStyles is how many branding styles a user pool can have. AWS does not
// raise this quota.
const MaxBrandingStyles = 20

// ErrBrandingLimit means that the pool has all the branding styles that it can
// have, so a new app client would have no sign-in page. A profile with app_client
// "shared" needs one style.
var ErrBrandingLimit = errors.New("all branding styles of the user pool are used up")

// ErrAppClientLimit means that no app client can be created: the user pool has
// all that it can have, or the profile all that the policy allows. It comes with
// a *dcr.Error with the code dcr.Unavailable.
var ErrAppClientLimit = errors.New("the limit of app clients is reached")

// ErrProfileFull wraps ErrAppClientLimit: the profile has all that the policy
// allows.
var ErrProfileFull = fmt.Errorf("of a profile: %w", ErrAppClientLimit)

// ErrCallLimit means that Cognito was not called, because this deployment has used
// up its calls for now. It comes with a *dcr.Error with the code
// dcr.Unavailable, inside a *NotAppliedError.
var ErrCallLimit = errors.New("the limit of calls to Cognito in a second is reached")

// A Provisioner creates the app clients of brokered mode that are missing. The
// functions that face the internet call it instead of having a right at
// Cognito. Implementations are safe for concurrent use.
type Provisioner interface {
	// Provision makes sure that the app client with that key exists and is
	// usable. A nil error means that its record can be read and used.
	//
	// The error is ErrNotFound if the registration or profile that the key
	// names may have no app client. If a later call may succeed, the error
	// wraps a *dcr.Error with the code dcr.Unavailable and RetryAfter, and also
	// ErrBrandingLimit if that is the reason.
	Provision(ctx context.Context, key string) error
}

// NewAppClient is Cognito's answer to the creation of an app client. It prints as
// "[redacted]".
type NewAppClient struct {
	credential.Redacted
	// ID is the id that Cognito gave it.
	ID string
	// Secret is its client secret, empty for a public client. The caller must
	// not store it in clear.
	Secret string
}

// ListedAppClient is an app client of this deployment as Cognito lists it.
type ListedAppClient struct {
	// ID is its id at Cognito.
	ID string
	// Marker is the marker in its name.
	Marker string
}

// NotAppliedError means that an effect was certainly not applied.
type NotAppliedError struct {
	// Err is the reason. If it is a *dcr.Error, it is the answer to the client.
	Err error
}

func (e *NotAppliedError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *NotAppliedError) Unwrap() error { return e.Err }
