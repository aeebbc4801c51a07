package simulation

import (
	"context"
	"errors"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/token"
)

// happen is a random event: of the client, the operator, or outside the broker.
func (w *world) happen(m *member) {
	if m.over {
		return
	}
	switch w.intN(10) {
	case 0: // the client deletes its registration
		if m.tok.IsZero() {
			return
		}
		m.off = true // even if the call fails
		_ = w.try(func(ctx context.Context) error { return w.Delete(ctx, m.id, m.tok) })
	case 1: // the operator disables it, and enables it again
		m.off = true
		_ = w.try(func(ctx context.Context) error { _, err := w.Disable(ctx, m.id, "ops"); return err })
		if w.chance(0.5) {
			time.Sleep(time.Minute)
			if _, err := w.Enable(w.t.Context(), m.id, "ops"); err == nil {
				m.off, m.recorded = false, broker.Seconds(w.now())
			}
		}
	case 2:
		m.off = true
		_ = w.try(func(ctx context.Context) error { _, err := w.DeleteClient(ctx, m.id, "ops"); return err })
	case 3: // an administrator deletes an app client
		w.cognito.DropOne(w.rnd)
	case 4: // a request that timed out long ago creates an app client
		w.cognito.Stray()
	case 5:
		_ = w.try(func(ctx context.Context) error { _, err := w.ApplyProfile(ctx, "trusted", "operator"); return err })
	default:
		w.end(m)
	}
}

// end lets an operator, or the client, end the grant of m, and sometimes others.
func (w *world) end(m *member) {
	s := m.session
	if s == nil {
		return
	}
	end := func(ctx context.Context) error { return w.EndGrant(ctx, s.grant, "ops") }
	concerned := func(x *session) bool { return x == s }
	switch w.intN(4) {
	case 0:
		sent := s.token // a refresh at the same time replaces it
		end = func(ctx context.Context) error {
			return w.issuer.Revoke(ctx, token.Revocation{Client: clients.Credentials{ID: s.id}, Token: sent})
		}
	case 1:
		end = func(ctx context.Context) error { _, err := w.EndGrantsOfClient(ctx, s.id, "ops"); return err }
		concerned = func(x *session) bool { return x.id == s.id }
	case 2:
		end = func(ctx context.Context) error {
			_, err := w.EndGrantsOfUser(ctx, s.user, "ops")
			if err == nil {
				w.checkForgotten(s.user)
			}
			return err
		}
		concerned = func(x *session) bool { return x.user == s.user }
	}
	var all []*session
	for _, x := range w.sessions {
		if concerned(x) {
			all = append(all, x)
		}
	}
	for _, x := range all {
		x.ending = true
	}
	var err error
	if w.chance(0.3) { // the client refreshes at the same time
		done := make(chan error, 1)
		go func() { done <- end(w.t.Context()) }()
		_ = w.try(func(ctx context.Context) error {
			a, err := w.issuer.Token(ctx, refreshRequest(s))
			if err == nil {
				s.token, s.access = a.RefreshToken, a.AccessToken
			}
			return err
		})
		err = <-done
	} else {
		err = w.try(end)
	}
	if err != nil && !errors.Is(err, broker.ErrNotFound) {
		return // it can be repeated
	}
	for _, x := range all {
		x.ended = true
		w.checkEnded(x)
	}
}
