package broker

import (
	"context"
	"iter"
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
)

// AppClient is our record of an app client at Cognito. It is written before
// the app client exists and removed after the app client is gone, so that
// whatever is half done can be found and finished.
type AppClient struct {
	// Key is unique in the deployment and never used again.
	Key string
	// Version is 1 for a new record and grows by one with each replacement.
	Version int64
	State   AppClientState
	// Marker is the part of the app client's name that says whose it is.
	Marker string
	// CognitoID is the app client's id, empty while it is not known.
	CognitoID string
	// Profile and InitialAccessToken say whose budgets it holds: a place among
	// the app clients of the profile and a use of the token, each under Key.
	Profile            string
	InitialAccessToken string
	CreatedAt          time.Time
	// Due is when somebody must look at it again; zero is never.
	Due time.Time
}

// AppClients are the app clients that this deployment has made in a user pool.
// Implementations are safe for concurrent use and never change or remove an
// app client that does not carry this deployment's marker.
//
// An error that wraps *NotAppliedError says that nothing was changed at
// Cognito. After any other error it is not known whether the call was applied.
type AppClients interface {
	// Create makes an app client. Called twice with the same marker it makes
	// two, since Cognito knows no idempotency token.
	Create(ctx context.Context, marker string, m dcr.ClientMetadata) (NewAppClient, error)
	// Update gives the app client id the settings that follow from m, after
	// check, if not nil, has accepted its present client secret. An error of
	// check is returned as it is inside a *NotAppliedError. If the app client
	// does not exist it returns ErrNotFound inside a *NotAppliedError.
	Update(ctx context.Context, id, marker string, m dcr.ClientMetadata, check func(secret string) error) error
	// Delete removes the app client id; one that does not exist is no error.
	Delete(ctx context.Context, id, marker string) error
	// List yields every app client of the pool that carries a marker of this
	// deployment, in no order, reading page by page.
	List(ctx context.Context) iter.Seq2[ListedAppClient, error]
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
