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

// A line of the audit trail is written when the change is known to have been
// made. What a process did not come to say before it died is said by Sweep,
// where it finds something unfinished; it then may have been said twice.

var (
	byBroker  = telemetry.Actor{Kind: "broker"}
	byJanitor = telemetry.Actor{Kind: "janitor"}
)

func byClient(r *Registration) telemetry.Actor {
	return telemetry.Actor{Kind: "client", ID: r.ClientID}
}

func byOperator(name string) telemetry.Actor { return telemetry.Actor{Kind: "operator", ID: name} }

// actor is who registers a client.
func (v voucher) actor() telemetry.Actor {
	if v.id == "" {
		return telemetry.Actor{Kind: "anonymous"}
	}
	if rest, ok := strings.CutPrefix(v.id, jwtPrefix); ok {
		return telemetry.Actor{Kind: "token_issuer", ID: rest}
	}
	return telemetry.Actor{Kind: "initial_access_token", ID: v.id}
}

// auditCreated says that there is a new registration, which may stand in the
// place of an old one.
func (s *Service) auditCreated(ctx context.Context, by telemetry.Actor, old, r *Registration) {
	noteClient(ctx, r)
	a := telemetry.Audit{
		Event: telemetry.RegistrationCreated, Actor: by, ClientID: r.ClientID, Profile: r.Profile, InitialAccessToken: r.InitialAccessToken,
		After: facts(r),
	}
	if old != nil {
		a.Before = []slog.Attr{slog.String("state", string(old.State))}
	}
	a.Log(ctx, s.log)
	if r.InitialAccessToken != "" {
		telemetry.Audit{
			Event: telemetry.TokenUsed, Actor: by, ClientID: r.ClientID, Profile: r.Profile, InitialAccessToken: r.InitialAccessToken,
		}.Log(ctx, s.log)
	}
}

// auditChange says what has become of a registration. A change that is none is
// not worth a line.
func (s *Service) auditChange(ctx context.Context, event telemetry.Event, by telemetry.Actor, before, after *Registration) {
	a := telemetry.Audit{Event: event, Actor: by, ClientID: after.ClientID, Profile: after.Profile}
	old := facts(before)
	for i, now := range facts(after) {
		was := old[i]
		if !reflect.DeepEqual(was.Value.Any(), now.Value.Any()) {
			a.Before, a.After = append(a.Before, was), append(a.After, now)
		}
	}
	if changed := changedMembers(before.Metadata, after.Metadata); len(changed) > 0 {
		a.After = append(a.After, slog.Any("changed", changed))
	}
	if len(a.After) > 0 {
		a.Log(ctx, s.log)
	}
}

// auditEnd says that a registration has gone, and what an operator may want to
// know of it.
func (s *Service) auditEnd(ctx context.Context, event telemetry.Event, by telemetry.Actor, before *Registration, after RegistrationState) {
	a := telemetry.Audit{
		Event: event, Actor: by, ClientID: before.ClientID, Profile: before.Profile,
		Before: []slog.Attr{slog.String("state", string(before.State)), slog.Time("issued_at", before.IssuedAt)},
		After:  []slog.Attr{slog.String("state", string(after))},
	}
	if !before.LastUsedAt.IsZero() {
		a.Before = append(a.Before, slog.Time("last_used_at", before.LastUsedAt))
	}
	a.Log(ctx, s.log)
}

// auditGrants says how many grants have ended. clientID or user is empty.
func (s *Service) auditGrants(ctx context.Context, by telemetry.Actor, clientID, user string, ended int) {
	if ended == 0 {
		return
	}
	telemetry.Audit{
		Event: telemetry.GrantEnded, Actor: by, ClientID: clientID, User: user, After: []slog.Attr{slog.Int("ended", ended)},
	}.Log(ctx, s.log)
}

// auditAppClient says what has been done with an app client.
func auditAppClient(ctx context.Context, log *slog.Logger, event telemetry.Event, by telemetry.Actor, a *AppClient, cognitoID string, after ...slog.Attr) {
	telemetry.Audit{
		Event: event, Actor: by, ClientID: a.ClientID, Profile: a.Profile, AppClient: cognitoID, After: after,
	}.Log(ctx, log)
}

// auditScopes says that an app client has other settings now, and which scopes.
func auditScopes(ctx context.Context, log *slog.Logger, by telemetry.Actor, a *AppClient, scopes []string) {
	telemetry.Audit{
		Event: telemetry.AppClientUpdated, Actor: by, ClientID: a.ClientID, Profile: a.Profile, AppClient: a.CognitoID,
		Before: []slog.Attr{slog.String("scope", strings.Join(a.Scopes, " "))},
		After:  []slog.Attr{slog.String("scope", strings.Join(scopes, " "))},
	}.Log(ctx, log)
}

// auditMade counts an app client that was made, and says so.
func auditMade(ctx context.Context, log *slog.Logger, by telemetry.Actor, a *AppClient, cognitoID string) {
	telemetry.Count(ctx, telemetry.AppClientsMade, 1)
	auditAppClient(ctx, log, telemetry.AppClientCreated, by, a, cognitoID)
}

// deleteAppClient sees to it that the app client with that id is gone, and says
// so. a is the record that knows, or knew, it.
func (s *Service) deleteAppClient(ctx context.Context, by telemetry.Actor, a *AppClient, id, marker string) error {
	if err := s.apps.Delete(ctx, id, marker); err != nil {
		return err
	}
	telemetry.Count(ctx, telemetry.AppClientsGone, 1)
	auditAppClient(ctx, s.log, telemetry.AppClientRemoved, by, a, id)
	return nil
}

// noteClient has the request's line say whose it is.
func noteClient(ctx context.Context, r *Registration) {
	telemetry.Note(ctx, telemetry.ClientID, r.ClientID)
	telemetry.Note(ctx, telemetry.Profile, r.Profile)
}

const (
	maxFact  = 200 // bytes of a text that a client chose
	maxFacts = 10  // redirect URIs, or names of metadata
)

// facts are what the audit trail tells of a registration: what it may do, and
// under which name. What follows a ? in a redirect URI is its client's own
// business, and so are addresses of people.
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

// clip cuts what is too long for a log.
func clip(s string) string {
	if len(s) <= maxFact {
		return s
	}
	return strings.ToValidUTF8(s[:maxFact], "") + "..."
}

// changedMembers names the metadata that are not what they were.
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

func members(m dcr.ClientMetadata) map[string]json.RawMessage {
	all := make(map[string]json.RawMessage)
	if b, err := json.Marshal(m); err == nil {
		json.Unmarshal(b, &all) // what was made a moment ago
	}
	return all
}
