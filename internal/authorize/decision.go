package authorize

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/pages"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

const maxForm = 4 << 10

// decide is POST /authorize: what the user decided on the consent page.
func (f *Front) decide(w http.ResponseWriter, r *http.Request) {
	q, err := readForm(r)
	if err != nil {
		f.showProblem(w, r, "", err)
		return
	}
	s, ok := f.cookies.read(r)
	if !ok {
		f.showProblem(w, r, "", &problem{kind: pages.OtherBrowser, detail: "no cookie of a transaction"})
		return
	}
	// No comparison of Origin besides: pages have no-referrer, which makes it
	// null.
	if !same(q.value("csrf"), s.csrf()) {
		f.showProblem(w, r, "", &problem{kind: pages.Expired, detail: "the form is not of this browser's transaction"})
		return
	}
	switch q.value("decision") {
	case pages.Allow:
		f.allow(w, r, s)
	case pages.Cancel:
		f.cancel(w, r, s)
	case pages.Switch:
		f.switchUser(w, r, s)
	default:
		f.showProblem(w, r, "", &problem{kind: pages.BadRequest, detail: "decision must be allow, cancel or switch"})
	}
}

func readForm(r *http.Request) (query, error) {
	body, err := httpapi.ReadBody(r, "application/x-www-form-urlencoded", maxForm)
	if err != nil {
		e, _ := errors.AsType[*httpapi.Error](err)
		return query{}, &problem{kind: pages.BadRequest, detail: e.Description, cause: err}
	}
	q, wrong := parseQuery(string(body))
	if wrong != "" || len(q.repeated) > 0 {
		return query{}, &problem{kind: pages.BadRequest, detail: "the form is not one of this page"}
	}
	return q, nil
}

// allow issues a code. If it was issued already, as by the first half of a
// double click, the answer is the same again.
func (f *Front) allow(w http.ResponseWriter, r *http.Request, s secret) {
	t, err := f.Grants.TakeStep(r.Context(), s.key(), broker.StepSignedIn, broker.StepDecided)
	if errors.Is(err, broker.ErrConflict) {
		f.allowedAlready(w, r, s)
		return
	}
	if err != nil {
		f.undecided(w, r, err)
		return
	}
	c, err := f.clientOf(r.Context(), t)
	if err == nil && !c.profile.Users().Allow(t.User.Groups, t.User.IdentityProvider) {
		err = &problem{kind: pages.NoAccess, detail: "the user may not consent under this profile"}
	}
	if err != nil {
		f.endTransaction(r, t)
		f.showProblem(w, r, t.Lang, final(err))
		return
	}
	code, err := f.issue(r, s, t)
	if err != nil {
		f.endTransaction(r, t)
		d := c.deny("temporarily_unavailable", "the grant could not be stored", err)
		logDenial(w, r, d)
		f.goOn(w, r, t, url.Values{"error": {d.code}, "error_description": {d.description}})
		return
	}
	decided(r, t, telemetry.ConsentGiven, "allow")
	if remembers(c.profile, c.to.redirect) {
		f.remember(r, t)
	}
	f.goOn(w, r, t, url.Values{"code": {code.Reveal()}})
}

// allowedAlready answers a decision that came second. The first may not have
// been carried out yet.
func (f *Front) allowedAlready(w http.ResponseWriter, r *http.Request, s secret) {
	for range outcomeTries {
		t, err := f.Grants.Transaction(r.Context(), s.key())
		if err != nil {
			f.undecided(w, r, err)
			return
		}
		if t.Step != broker.StepDecided {
			break
		}
		code, ok, err := f.issued(r.Context(), s, t)
		if err != nil {
			f.undecided(w, r, err)
			return
		}
		if ok {
			f.goOn(w, r, t, url.Values{"code": {code.Reveal()}})
			return
		}
		f.pause(r.Context(), outcomeWait)
	}
	f.showProblem(w, r, "", &problem{kind: pages.Expired, detail: "this was decided already"})
}

// undecided answers when a step was not taken. If there is no saying why, the
// consent page is where to look how far it got.
func (f *Front) undecided(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, broker.ErrNotFound):
		f.showProblem(w, r, "", &problem{kind: pages.Expired, detail: "this sign-in has expired"})
	case errors.Is(err, broker.ErrConflict):
		f.showProblem(w, r, "", &problem{kind: pages.Expired, detail: "this was decided already"})
	default:
		logProblem(w, r, unavailable("the decision could not be stored", err))
		see(w, consentPath)
	}
}

// remember keeps the consent. If it cannot be kept, the user is asked again.
func (f *Front) remember(r *http.Request, t *broker.Transaction) {
	now := f.Now().UTC().Truncate(time.Second)
	err := f.Grants.PutConsent(r.Context(), &broker.Consent{
		Key:       f.consentKey(t),
		Sub:       t.User.Sub,
		ClientID:  t.ClientID,
		Scopes:    t.Scopes,
		CreatedAt: now,
		ExpiresAt: now.AddDate(0, 0, rememberedDays),
	})
	if err != nil {
		httpapi.Logger(r).WarnContext(r.Context(), "consent not remembered", "client_id", t.ClientID, "error", err)
		return
	}
	audit(r, t, telemetry.ConsentRemembered)
}

// decided says what became of the question whether the client may.
func decided(r *http.Request, t *broker.Transaction, event telemetry.Event, decision string) {
	telemetry.Note(r.Context(), telemetry.Decision, decision)
	telemetry.Count(r.Context(), telemetry.Consents, 1)
	audit(r, t, event)
}

// audit writes the line of something that the user of t has done.
func audit(r *http.Request, t *broker.Transaction, event telemetry.Event) {
	httpapi.Audit(r, telemetry.Audit{
		Event: event, Actor: telemetry.Actor{Kind: "user", ID: t.User.Sub}, ClientID: t.ClientID, AppClient: t.CognitoID, User: t.User.Sub,
		After: []slog.Attr{slog.String("scope", strings.Join(t.Scopes, " ")), slog.String("resource", t.Resource)},
	})
}

// cancel ends the transaction and what the user signed in to, and tells the
// client.
func (f *Front) cancel(w http.ResponseWriter, r *http.Request, s secret) {
	t, err := f.Grants.TakeStep(r.Context(), s.key(), broker.StepSignedIn, broker.StepDecided)
	if err != nil {
		f.undecided(w, r, err)
		return
	}
	_, err = f.clientOf(r.Context(), t)
	decided(r, t, telemetry.ConsentRefused, "cancel")
	f.endTransaction(r, t)
	f.cookies.clear(w)
	if err != nil {
		f.showProblem(w, r, t.Lang, final(err))
		return
	}
	f.goOn(w, r, t, url.Values{"error": {"access_denied"}, "error_description": {"the user said no"}})
}

// endTransaction revokes at Cognito what the user signed in to and removes the
// transaction.
func (f *Front) endTransaction(r *http.Request, t *broker.Transaction) {
	app, err := f.AppClients.AppClient(r.Context(), t.AppClient)
	if err != nil {
		httpapi.Logger(r).WarnContext(r.Context(), "refresh token not revoked at Cognito", "app_client", t.CognitoID, "error", err)
	} else {
		f.endSignIn(r, t, app)
	}
	f.forget(r, t)
}
