package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// Seconds returns t in UTC without fractions of a second, as records have it.
func Seconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// RecordRegistration stores a new registration. After an error that does not
// tell whether r was stored, it reads the record to find out. It returns
// ErrExists, perhaps wrapped, if another registration has the client id.
func RecordRegistration(ctx context.Context, store Registrations, r *Registration) error {
	err := store.CreateRegistration(ctx, r)
	if err == nil || errors.Is(err, ErrExists) {
		return err
	}
	ctx, cancel := CleanupContext(ctx)
	defer cancel()
	stored, readErr := store.Registration(ctx, r.ClientID)
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	if stored.Generation != r.Generation {
		return fmt.Errorf("registration %s: %w (%w)", r.ClientID, ErrExists, err)
	}
	r.Version = stored.Version
	return nil
}

// ReplaceRegistration stores r, whose state, approval or access tokens have
// changed. After an error that does not tell whether r was stored, it reads the
// record and compares these three: new tokens are random, and an approval is of
// certain metadata, so another request has at most written the same.
func ReplaceRegistration(ctx context.Context, store Registrations, r *Registration) error {
	err := store.ReplaceRegistration(ctx, r)
	if err == nil || errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound) {
		return err
	}
	again, cancel := CleanupContext(ctx)
	defer cancel()
	stored, readErr := store.Registration(again, r.ClientID)
	if readErr == nil && stored.AccessTokens == r.AccessTokens && stored.State == r.State && stored.Approved == r.Approved {
		r.Version = stored.Version
		return nil
	}
	return errors.Join(err, readErr)
}

// BeginRemoval stores a in the state removing. The caller removes the app client
// afterwards. If it does not, a is due after Grace, and the janitor removes the
// app client.
func BeginRemoval(ctx context.Context, store AppClientRecords, a *AppClient, now time.Time) error {
	a.State, a.Due = AppClientRemoving, Seconds(now).Add(Grace)
	if err := store.ReplaceAppClient(ctx, a); err != nil {
		return fmt.Errorf("mark app client %s for removal: %w", a.Key, err)
	}
	return nil
}

// ChangeAppClient reads the record of an app client, calls change, which
// modifies it, and stores the result. It does nothing if there is no record or
// change returns false. It starts again, and returns ErrConflict after Attempts
// attempts, if another request changes the record at the same time.
func ChangeAppClient(ctx context.Context, store AppClientRecords, key string, change func(*AppClient) bool) error {
	for range Attempts {
		a, err := store.AppClient(ctx, key)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read app client %s: %w", key, err)
		}
		if !change(a) {
			return nil
		}
		err = store.ReplaceAppClient(ctx, a)
		if err == nil || errors.Is(err, ErrNotFound) {
			return nil
		}
		if !errors.Is(err, ErrConflict) {
			return fmt.Errorf("replace app client %s: %w", key, err)
		}
	}
	return fmt.Errorf("replace app client %s: %w", key, ErrConflict)
}

// Tombstone changes r to the record of a removed client.
func (r *Registration) Tombstone(now time.Time) {
	r.State, r.Due, r.ExpiresAt = RegistrationRemoved, Seconds(now), time.Time{}
	r.AccessTokens, r.SecretHash = AccessTokens{}, credential.Hash{}
}

// LogUnfinished logs an error after which the janitor has to finish what was
// begun with an app client. It ignores nil.
func LogUnfinished(ctx context.Context, log *slog.Logger, key string, err error) {
	if err != nil {
		log.WarnContext(ctx, "app client left to reconcile", "app_client", key, "error", err)
	}
}
