package authorization

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// rememberedDays is how many days a consent is stored.
const rememberedDays = 30

// consented reports whether a stored consent covers all of t. If the store does
// not answer, the result is false and the user gets the consent page.
func (v *visit) consented(ctx context.Context, t *broker.Transaction, c client) bool {
	if !c.remembers() || prompts(t, "consent") {
		return false
	}
	f := v.flow
	found, err := f.config.Store.Consent(ctx, v.consentKey(t))
	if errors.Is(err, broker.ErrNotFound) {
		return false
	}
	if err != nil {
		f.warn(ctx, "consent not read", "client_id", t.ClientID, "error", err)
		return false
	}
	missing := func(s string) bool { return !slices.Contains(found.Scopes, s) }
	return f.config.Now().Before(found.ExpiresAt) && found.Sub == t.User.Sub && found.ClientID == t.ClientID && !slices.ContainsFunc(t.Scopes, missing)
}

func (v *visit) consentKey(t *broker.Transaction) string {
	return broker.ConsentKey(v.ring, t.User.Sub, t.ClientID, t.Generation, t.RedirectURI, t.Resource)
}

// remember stores the consent. If that fails, the user gets the consent page
// again next time.
func (v *visit) remember(ctx context.Context, t *broker.Transaction) {
	f := v.flow
	now := broker.Seconds(f.config.Now())
	err := f.config.Store.PutConsent(ctx, &broker.Consent{
		Key:       v.consentKey(t),
		Sub:       t.User.Sub,
		ClientID:  t.ClientID,
		Scopes:    t.Scopes,
		CreatedAt: now,
		ExpiresAt: now.AddDate(0, 0, rememberedDays),
	})
	if err != nil {
		f.warn(ctx, "consent not remembered", "client_id", t.ClientID, "error", err)
		return
	}
	f.audit(ctx, t, telemetry.ConsentRemembered)
}

// recordDecision counts a decision on the client's request and writes its audit
// event.
func (f *Flow) recordDecision(ctx context.Context, t *broker.Transaction, event telemetry.Event, decision string) {
	telemetry.SetAttr(ctx, telemetry.Decision, decision)
	telemetry.Count(ctx, telemetry.Consents, 1)
	f.audit(ctx, t, event)
}

// audit writes an audit event of the user of t.
func (f *Flow) audit(ctx context.Context, t *broker.Transaction, event telemetry.Event) {
	telemetry.Audit{
		Event: event, Actor: userOf(t), ClientID: t.ClientID, AppClient: t.CognitoID, User: t.User.Sub,
		After: []slog.Attr{slog.String("scope", strings.Join(t.Scopes, " ")), slog.String("resource", t.Resource)},
	}.Log(ctx, f.config.Log)
}

func userOf(t *broker.Transaction) telemetry.Actor {
	return telemetry.Actor{Kind: "user", ID: t.User.Sub}
}
