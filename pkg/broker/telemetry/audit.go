package telemetry

import (
	"context"
	"log/slog"
	"time"
)

// Event is a change of a registration, an app client, a consent, a grant or a
// token.
type Event string

// The events.
const (
	RegistrationCreated  Event = "registration.created"
	RegistrationUpdated  Event = "registration.updated"
	RegistrationApproved Event = "registration.approved"
	RegistrationDisabled Event = "registration.disabled"
	RegistrationEnabled  Event = "registration.enabled"
	// RegistrationDeleted: the client or an operator deleted it.
	// RegistrationRemoved: the janitor deleted it at the end of a lifetime.
	RegistrationDeleted Event = "registration.deleted"
	RegistrationRemoved Event = "registration.removed"

	TokenCreated Event = "initial_access_token.created"
	TokenRevoked Event = "initial_access_token.revoked"
	TokenUsed    Event = "initial_access_token.used"

	AppClientCreated Event = "app_client.created"
	AppClientUpdated Event = "app_client.updated"
	// AppClientRemoved: the app client no longer exists; the broker or another
	// program deleted it.
	AppClientRemoved Event = "app_client.removed"
	AppClientAdopted Event = "app_client.adopted"

	ConsentGiven      Event = "consent.given"
	ConsentRefused    Event = "consent.refused"
	ConsentRemembered Event = "consent.remembered"
	// ConsentUsed: a sign-in without a consent page, because of a remembered
	// consent.
	ConsentUsed Event = "consent.used"

	GrantCreated Event = "grant.created"
	GrantEnded   Event = "grant.ended"
	// TokenIssued: a client got an access token.
	TokenIssued Event = "access_token.issued"

	// TableAccepted: an operator confirmed that the table belongs to this
	// deployment.
	TableAccepted Event = "table.accepted"

	// ConfigurationApplied: a new version of the configuration was stored.
	ConfigurationApplied Event = "configuration.applied"
	// ConfigurationRolledBack: the document of an older version was stored as a
	// new version.
	ConfigurationRolledBack Event = "configuration.rolled_back"
	// ScopesCreated: scopes were added to the user pool's resource servers.
	ScopesCreated Event = "scopes.created"
)

// Actor made the change.
type Actor struct {
	// Kind is anonymous, client, initial_access_token, token_issuer, user,
	// operator, janitor or broker.
	Kind string
	// ID is the client's or token's id, the user's sub, or the operator's name.
	ID string
}

// Audit is one line of the audit trail. It must not contain tokens, secrets or
// their hashes, and of a user only the sub.
type Audit struct {
	Event Event
	Actor Actor
	// The objects of the change; empty fields are left out. All are names or
	// ids; AppClient is the id at Cognito.
	ClientID, Profile, InitialAccessToken, AppClient, Grant, User string
	// Before and After are the changed values. Either may be empty.
	Before, After []slog.Attr
}

// Log writes the line whatever the log level, with the request id of ctx.
func (a Audit) Log(ctx context.Context, log *slog.Logger) {
	attrs := append(make([]slog.Attr, 0, 11), slog.String("event", string(a.Event))) // 11 with all fields
	if id := Of(ctx).ID(); id != "" {
		attrs = append(attrs, slog.String("request_id", id))
	}
	actor := append(make([]slog.Attr, 0, 2), slog.String("kind", a.Actor.Kind))
	if a.Actor.ID != "" {
		actor = append(actor, slog.String("id", a.Actor.ID))
	}
	attrs = append(attrs, slog.Attr{Key: "actor", Value: slog.GroupValue(actor...)})
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

// write ignores the log level: no setting turns off the audit trail or the
// metrics.
func write(ctx context.Context, log *slog.Logger, msg string, attrs []slog.Attr) {
	r := slog.NewRecord(time.Now(), slog.LevelInfo, msg, 0)
	r.AddAttrs(attrs...)
	log.Handler().Handle(ctx, r) // a failed write cannot be logged either
}
