package telemetry

import (
	"context"
	"log/slog"
	"time"
)

// Event is something that changed a registration, an app client, a consent, a
// grant or a token.
type Event string

// The events.
const (
	RegistrationCreated  Event = "registration.created"
	RegistrationUpdated  Event = "registration.updated"
	RegistrationApproved Event = "registration.approved"
	RegistrationDisabled Event = "registration.disabled"
	RegistrationEnabled  Event = "registration.enabled"
	// RegistrationDeleted is by the client or an operator, RegistrationRemoved by
	// the janitor when a lifetime was over.
	RegistrationDeleted Event = "registration.deleted"
	RegistrationRemoved Event = "registration.removed"

	TokenCreated Event = "initial_access_token.created"
	TokenRevoked Event = "initial_access_token.revoked"
	TokenUsed    Event = "initial_access_token.used"

	AppClientCreated Event = "app_client.created"
	AppClientUpdated Event = "app_client.updated"
	// AppClientRemoved is one that certainly does not exist any more, whoever
	// deleted it.
	AppClientRemoved Event = "app_client.removed"
	AppClientAdopted Event = "app_client.adopted"

	ConsentGiven      Event = "consent.given"
	ConsentRefused    Event = "consent.refused"
	ConsentRemembered Event = "consent.remembered"
	// ConsentUsed is a sign-in that was not asked, for a remembered consent.
	ConsentUsed Event = "consent.used"

	GrantCreated Event = "grant.created"
	GrantEnded   Event = "grant.ended"
	// TokenIssued is an access token that was handed out.
	TokenIssued Event = "access_token.issued"

	// TableAccepted is an operator's word that a table is this deployment's.
	TableAccepted Event = "table.accepted"
)

// Actor is who did it.
type Actor struct {
	// Kind is anonymous, client, initial_access_token, token_issuer, user,
	// operator, janitor or broker.
	Kind string
	// ID is the client's or token's id, the user's sub, or the operator's name.
	ID string
}

// Audit is one line of the audit trail. None of it may be a secret: tokens,
// secrets and their hashes have no place in it, nor what names a person but for
// the sub.
type Audit struct {
	Event Event
	Actor Actor
	// What it was done to; empty fields are left out. AppClient is the id at
	// Cognito, Grant and InitialAccessToken are ids as well.
	ClientID, Profile, InitialAccessToken, AppClient, Grant, User string
	// Before and After are what changed. Either may be empty.
	Before, After []slog.Attr
}

// Log writes the line, with the id of the request that ctx belongs to. It is
// written whatever the level of the log is.
func (a Audit) Log(ctx context.Context, log *slog.Logger) {
	attrs := []slog.Attr{slog.String("event", string(a.Event))}
	if id := Of(ctx).ID(); id != "" {
		attrs = append(attrs, slog.String("request_id", id))
	}
	actor := []any{slog.String("kind", a.Actor.Kind)}
	if a.Actor.ID != "" {
		actor = append(actor, slog.String("id", a.Actor.ID))
	}
	attrs = append(attrs, slog.Group("actor", actor...))
	for _, f := range []struct{ key, value string }{
		{"client_id", a.ClientID}, {"profile", a.Profile}, {"initial_access_token", a.InitialAccessToken},
		{"app_client", a.AppClient}, {"grant", a.Grant}, {"user", a.User},
	} {
		if f.value != "" {
			attrs = append(attrs, slog.String(f.key, f.value))
		}
	}
	for _, g := range []struct {
		key   string
		attrs []slog.Attr
	}{{"before", a.Before}, {"after", a.After}} {
		if len(g.attrs) > 0 {
			attrs = append(attrs, slog.Attr{Key: g.key, Value: slog.GroupValue(g.attrs...)})
		}
	}
	write(ctx, log, "audit", attrs)
}

// write logs past the level that is set: no setting silences the audit trail or
// what CloudWatch counts.
func write(ctx context.Context, log *slog.Logger, msg string, attrs []slog.Attr) {
	r := slog.NewRecord(time.Now(), slog.LevelInfo, msg, 0)
	r.AddAttrs(attrs...)
	log.Handler().Handle(ctx, r) // what cannot be written cannot be reported either
}
