package broker

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// AuditTrail writes an audit event for each change of a registration, an app
// client or a grant, after the change has certainly been made. If a process
// dies before it writes the event, the janitor writes it when it finishes the
// change, so a change may have two events. It is safe for concurrent use. The
// zero value is not usable.
type AuditTrail struct {
	// Log receives the events.
	Log *slog.Logger
	// Operator is the name of the operator in whose process the changes are made,
	// empty in functions. Changes of the broker and of the janitor are then the
	// operator's.
	Operator string
}

// log writes the event, with the operator in place of the broker and the janitor.
func (t AuditTrail) log(ctx context.Context, a telemetry.Audit) {
	if t.Operator != "" && (a.Actor == ByBroker || a.Actor == ByJanitor) {
		a.Actor = ByOperator(t.Operator)
	}
	a.Log(ctx, t.Log)
}

var (
	// ByBroker is the broker itself, as the actor of a change.
	ByBroker = telemetry.Actor{Kind: "broker"}
	// ByJanitor is the janitor.
	ByJanitor = telemetry.Actor{Kind: "janitor"}
)

// ByClient is the client of r, which manages its own registration.
func ByClient(r *Registration) telemetry.Actor {
	return telemetry.Actor{Kind: "client", ID: r.ClientID}
}

// ByOperator is the operator with that name.
func ByOperator(name string) telemetry.Actor { return telemetry.Actor{Kind: "operator", ID: name} }

// Created writes that r was registered, in place of old unless that is nil. If
// an initial access token allowed it, Created writes a second event for the use
// of the token.
func (t AuditTrail) Created(ctx context.Context, by telemetry.Actor, old, r *Registration) {
	SetClientAttrs(ctx, r)
	a := telemetry.Audit{
		Event: telemetry.RegistrationCreated, Actor: by, ClientID: r.ClientID, Profile: r.Profile, InitialAccessToken: string(r.Voucher),
		After: facts(r),
	}
	if old != nil {
		a.Before = []slog.Attr{slog.String("state", string(old.State))}
	}
	t.log(ctx, a)
	if !r.Voucher.Open() {
		t.log(ctx, telemetry.Audit{
			Event: telemetry.TokenUsed, Actor: by, ClientID: r.ClientID, Profile: r.Profile, InitialAccessToken: string(r.Voucher),
		})
	}
}

// Change writes what has changed from before to after, and the digest of the
// metadata that an operator has approved with it. It writes nothing if they do
// not differ.
func (t AuditTrail) Change(ctx context.Context, event telemetry.Event, by telemetry.Actor, before, after *Registration) {
	a := telemetry.Audit{Event: event, Actor: by, ClientID: after.ClientID, Profile: after.Profile}
	old := facts(before)
	for i, now := range facts(after) {
		was := old[i]
		if !reflect.DeepEqual(was.Value.Any(), now.Value.Any()) {
			a.Before, a.After = append(a.Before, was), append(a.After, now)
		}
	}
	if event == telemetry.RegistrationApproved || event == telemetry.RegistrationEnabled {
		a.After = append(a.After, slog.String("digest", after.Approved))
	}
	if changed := changedMembers(before.Metadata, after.Metadata); len(changed) > 0 {
		a.After = append(a.After, slog.Any("changed", changed))
	}
	if len(a.After) > 0 {
		t.log(ctx, a)
	}
}

// End writes that a registration has ended in the state after, with its age and
// last use.
func (t AuditTrail) End(ctx context.Context, event telemetry.Event, by telemetry.Actor, before *Registration, after RegistrationState) {
	a := telemetry.Audit{
		Event: event, Actor: by, ClientID: before.ClientID, Profile: before.Profile,
		Before: []slog.Attr{slog.String("state", string(before.State)), slog.Time("issued_at", before.IssuedAt)},
		After:  []slog.Attr{slog.String("state", string(after))},
	}
	if !before.LastUsedAt.IsZero() {
		a.Before = append(a.Before, slog.Time("last_used_at", before.LastUsedAt))
	}
	t.log(ctx, a)
}

// Grants writes how many grants of a client or of a user have ended; the other
// one of clientID and user is empty. It writes nothing if none has ended.
func (t AuditTrail) Grants(ctx context.Context, by telemetry.Actor, clientID, user string, ended int) {
	if ended == 0 {
		return
	}
	t.log(ctx, telemetry.Audit{
		Event: telemetry.GrantEnded, Actor: by, ClientID: clientID, User: user, After: []slog.Attr{slog.Int("ended", ended)},
	})
}

// AppClient writes what was done with the app client that has this id at
// Cognito.
func (t AuditTrail) AppClient(ctx context.Context, event telemetry.Event, by telemetry.Actor, a *AppClient, cognitoID string, after ...slog.Attr) {
	t.log(ctx, telemetry.Audit{
		Event: event, Actor: by, ClientID: a.ClientID, Profile: a.Profile, AppClient: cognitoID, After: after,
	})
}

// Scopes writes that an app client was updated, with its scopes before and
// after.
func (t AuditTrail) Scopes(ctx context.Context, by telemetry.Actor, a *AppClient, scopes []string) {
	t.log(ctx, telemetry.Audit{
		Event: telemetry.AppClientUpdated, Actor: by, ClientID: a.ClientID, Profile: a.Profile, AppClient: a.CognitoID,
		Before: []slog.Attr{slog.String("scope", strings.Join(a.Scopes, " "))},
		After:  []slog.Attr{slog.String("scope", strings.Join(scopes, " "))},
	})
}

// Made counts an app client that was created at Cognito, and writes its event.
func (t AuditTrail) Made(ctx context.Context, by telemetry.Actor, a *AppClient, cognitoID string) {
	telemetry.Count(ctx, telemetry.AppClientsMade, 1)
	t.AppClient(ctx, telemetry.AppClientCreated, by, a, cognitoID)
}

// Removed counts an app client that was removed, and writes its line. a is the
// record that has, or had, it.
func (t AuditTrail) Removed(ctx context.Context, by telemetry.Actor, a *AppClient, cognitoID string) {
	telemetry.Count(ctx, telemetry.AppClientsGone, 1)
	t.AppClient(ctx, telemetry.AppClientRemoved, by, a, cognitoID)
}

// SetClientAttrs adds the client and its profile to the log line of the request.
func SetClientAttrs(ctx context.Context, r *Registration) {
	telemetry.SetAttr(ctx, telemetry.ClientID, r.ClientID)
	telemetry.SetAttr(ctx, telemetry.Profile, r.Profile)
}

const (
	maxFact  = 200 // bytes of a text that a client chose
	maxFacts = 10  // redirect URIs, or names of metadata members
)

// facts returns what an audit event contains of a registration: its name and
// what it may do. It leaves out the query of a redirect URI, which may hold
// secrets of the client, and contacts, which name people.
func facts(r *Registration) []slog.Attr {
	m := r.Metadata
	uris := make([]string, 0, maxFacts)
	for _, uri := range m.RedirectURIs[:min(len(m.RedirectURIs), maxFacts)] {
		uri, _, _ = strings.Cut(uri, "?")
		uris = append(uris, clip(uri))
	}
	return []slog.Attr{
		slog.String("state", string(r.State)),
		slog.String("client_name", clip(m.ClientName)),
		slog.Any("redirect_uris", uris),
		slog.String("grant_types", strings.Join(m.GrantTypes, " ")),
		slog.String("token_endpoint_auth_method", m.TokenEndpointAuthMethod),
		slog.String("scope", m.Scope),
	}
}

// clip cuts a text that is too long for a log.
func clip(s string) string {
	if len(s) <= maxFact {
		return s
	}
	return strings.ToValidUTF8(s[:maxFact], "") + "..."
}

// changedMembers returns the names of the metadata members that differ, sorted,
// and at most maxFacts of them.
func changedMembers(before, after dcr.ClientMetadata) []string {
	was, now := members(before), members(after)
	var changed []string
	for name := range maps.Keys(was) {
		if string(was[name]) != string(now[name]) {
			changed = append(changed, clip(name))
		}
	}
	for name := range maps.Keys(now) {
		if _, ok := was[name]; !ok {
			changed = append(changed, clip(name))
		}
	}
	slices.Sort(changed)
	return changed[:min(len(changed), maxFacts)]
}

// members returns the members of m as JSON.
func members(m dcr.ClientMetadata) map[string]json.RawMessage {
	all := make(map[string]json.RawMessage)
	if b, err := json.Marshal(m); err == nil {
		json.Unmarshal(b, &all) // cannot fail: Marshal has just written it
	}
	return all
}
