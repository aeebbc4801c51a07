package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// An Intent is written before a registration of brokered mode takes a use of
// its voucher, and removed after the registration is recorded. If the request
// is interrupted, the janitor finds the use by the intent and gives it back. A
// store keeps intents among the records of app clients, although an intent has
// no app client.
type Intent struct {
	// ClientID and Generation identify the registration.
	ClientID   string
	Generation string
	Profile    string
	// Use is the use that the registration has taken. Settle clears it.
	Use Use
	// Cancelled means that the registration must be removed, even if it was
	// recorded.
	Cancelled bool
	CreatedAt time.Time
	// Due is when the janitor must check the intent.
	Due time.Time
	// Version is set by RecordIntent, Cancel and Settle.
	Version int64
	// unknown is AppClient.Unknown.
	unknown json.RawMessage
}

// kindIntent is the kind of the records that keep an Intent.
const kindIntent AppClientKind = "registering"

// Key is the key of the record, and the member that the registration is in
// budgets.
func (i *Intent) Key() string { return intentKey(i.ClientID) }

func intentKey(clientID string) string { return "registering/" + clientID }

// record returns the record that keeps i.
func (i *Intent) record() *AppClient {
	a := &AppClient{
		Key: i.Key(), Version: i.Version, Kind: kindIntent, State: AppClientCreating,
		Profile: i.Profile, Use: i.Use, ClientID: i.ClientID, Generation: i.Generation, CreatedAt: i.CreatedAt, Due: i.Due, Unknown: i.unknown,
	}
	if i.Cancelled {
		a.State = AppClientRemoving
	}
	return a
}

// Intent returns the intent that the record keeps, or nil if it is the record of
// an app client.
func (a *AppClient) Intent() *Intent {
	if a.Kind != kindIntent {
		return nil
	}
	return &Intent{
		ClientID: a.ClientID, Generation: a.Generation, Profile: a.Profile, Use: a.Use,
		Cancelled: a.State == AppClientRemoving, CreatedAt: a.CreatedAt, Due: a.Due, Version: a.Version, unknown: a.Unknown,
	}
}

// RecordIntent stores i as version 1, or returns ErrExists.
func RecordIntent(ctx context.Context, store AppClientRecords, i *Intent) error {
	a := i.record()
	err := store.CreateAppClient(ctx, a)
	i.Version = a.Version
	return err
}

// IntentOf returns the intent of a registration, or ErrNotFound.
func IntentOf(ctx context.Context, store AppClientRecords, clientID string) (*Intent, error) {
	a, err := store.AppClient(ctx, intentKey(clientID))
	if err != nil {
		return nil, err
	}
	return a.Intent(), nil
}

// Cancel stores that the registration of i must be removed. It returns
// ErrConflict if the intent has been changed since it was read, and ErrNotFound
// if it is gone.
func (i *Intent) Cancel(ctx context.Context, store AppClientRecords, now time.Time) error {
	a := i.record()
	err := BeginRemoval(ctx, store, a, now)
	i.Cancelled, i.Due, i.Version = true, a.Due, a.Version
	return err
}

// Settle stores that the registration of i is complete, so that its use stays
// taken. It returns ErrConflict if the intent has been changed since it was read,
// and ErrNotFound if it is gone. After an error that does not tell whether i was
// stored, it reads the record to find out.
func (i *Intent) Settle(ctx context.Context, store AppClientRecords) error {
	i.Use = Use{}
	a := i.record()
	err := store.ReplaceAppClient(ctx, a)
	if err == nil || errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound) {
		i.Version = a.Version
		return err
	}
	ctx, cancel := CleanupContext(ctx)
	defer cancel()
	stored, readErr := IntentOf(ctx, store, i.ClientID)
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	if stored.Cancelled || stored.Version == i.Version {
		return err
	}
	i.Version = stored.Version
	return nil
}

// DeleteIntent removes i, if its version is still the stored one. It is no
// error if the intent is gone.
func DeleteIntent(ctx context.Context, store AppClientRecords, i *Intent) error {
	if err := store.DeleteAppClient(ctx, i.Key(), i.Version); err != nil {
		return fmt.Errorf("delete intent %s: %w", i.ClientID, err)
	}
	return nil
}
