package doctor

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// patience is the time that Claude waits for metadata, a registration or a
// token (claude.com, building connectors, authentication).
const patience = 10 * time.Second

// wellKnownClients checks for each client whether it could connect: it uses the
// results so far, and registers as the client does.
func (d *doctor) wellKnownClients(ctx context.Context) {
	f := d.check(clientsPatience)
	if d.slowest.took > patience {
		f.warn([]string{claude}, "%s took %s, and Claude gives up after %s", quote(d.slowest.what), d.slowest.took.Round(100*time.Millisecond), patience)
	}
	f.end("every answer came in time")

	why := d.reasonNotToRegister()
	for _, k := range knownClients {
		if ctx.Err() != nil {
			return
		}
		f := d.check(k.verdict)
		d.addEarlier(f, k)
		if why != "" {
			if len(f.faults) == 0 {
				d.skip(k.verdict, "%s", why)
				continue
			}
			f.end("")
			continue
		}
		d.registerAs(ctx, f, k)
		f.end("registered, and no check above blocks it")
	}
}

// reasonNotToRegister returns why the doctor does not register as the
// well-known clients; "" if it does.
func (d *doctor) reasonNotToRegister() string {
	endpoint, err := url.Parse(d.server.text("registration_endpoint"))
	switch {
	case d.client == nil:
		return "there was no registration"
	case d.Register == RegisterOne:
		return "only the doctor itself registers"
	case d.Register == RegisterAll:
		return ""
	case d.token() != "":
		return "the initial access token may allow only one registration; --register all uses it for each client"
	case err == nil && isLoopback(endpoint), d.client.isManaged():
		return ""
	}
	return "it would stay registered, because the server offers no way to delete it; --register all registers anyway"
}

// addEarlier adds the failed checks and warnings that name the client.
func (d *doctor) addEarlier(f *finding, k *known) {
	var broken, maybe []string
	for _, c := range d.done {
		if strings.HasPrefix(c.ID, "clients.") && c.ID != clientsPatience.ID {
			continue
		}
		for _, name := range append([]string{k.name}, k.also...) {
			switch {
			case slices.Contains(c.Clients, name) && c.Status == Fail:
				broken = append(broken, c.ID)
			case slices.Contains(c.Clients, name), slices.Contains(c.Clients, reported(name)):
				maybe = append(maybe, c.ID)
			default:
				continue
			}
			break
		}
	}
	if len(broken) > 0 {
		f.fail([]string{k.name}, "blocked by %s", words(broken))
	}
	if len(maybe) > 0 {
		f.warn([]string{k.name}, "may be affected by %s", words(maybe))
	}
}

// registerAs registers as the client does, and checks that the answer has what
// the client needs.
func (d *doctor) registerAs(ctx context.Context, f *finding, k *known) {
	body := k.body(d)
	a, err := d.register(ctx, body)
	if err != nil {
		f.fail([]string{k.name}, "%s", err)
		return
	}
	if a.status == http.StatusTooManyRequests {
		f.warn(nil, "not tried: %s", errorOf(a))
		return
	}
	if a.status < 200 || a.status > 299 {
		f.fail([]string{k.name}, "its registration is rejected: %s", errorOf(a))
		return
	}
	o, err := a.decode()
	switch {
	case err != nil:
		f.fail([]string{k.name}, "%s", err)
	case o.text("client_id") == "":
		f.fail([]string{k.name}, "the answer has no client_id")
	default:
		sent := body["redirect_uris"].([]string)
		if missing := missingFrom(o.texts("redirect_uris"), sent...); len(missing) == len(sent) {
			f.fail([]string{k.name}, "none of its redirect URIs is registered")
		} else if len(missing) > 0 {
			f.warn([]string{k.name}, "registered without %s", quotes(missing))
		}
	}
}

// cleanUp revokes the doctor's token and deletes its registrations.
func (d *doctor) cleanUp(ctx context.Context) {
	if d.tokens == nil || d.tokens.refresh == "" {
		d.skip(cleanUpTokens, "there is no refresh token")
	} else if d.server.text("revocation_endpoint") == "" {
		d.skip(cleanUpTokens, "there is no revocation_endpoint")
	} else {
		f := d.check(cleanUpTokens)
		a, err := d.post(ctx, "revocation_endpoint", d.client, url.Values{"token": {d.tokens.refresh}, "token_type_hint": {"refresh_token"}})
		if err != nil {
			f.fail(nil, "%s", err)
		} else if a.status != http.StatusOK {
			f.fail(nil, "%s", errorOf(a))
		}
		f.end("revoked")
	}

	if len(d.registered) == 0 {
		d.skip(cleanUpClients, "nothing was registered")
		return
	}
	f := d.check(cleanUpClients)
	var deleted int
	var undeletable []string
	for _, c := range d.registered {
		if !c.isManaged() {
			if !slices.Contains(undeletable, c.id) {
				undeletable = append(undeletable, c.id)
			}
			continue
		}
		a, err := d.manage(ctx, http.MethodDelete, c, c.manageToken)
		switch {
		case err != nil:
			f.fail(nil, "%s is left behind: %s", quote(c.id), err)
		case a.status != http.StatusNoContent && a.status != http.StatusOK:
			f.fail(nil, "%s is left behind: %s", quote(c.id), errorOf(a))
		case a.status == http.StatusOK:
			f.warn(nil, "%s: 200, must be 204", quote(c.id))
			deleted++
		default:
			deleted++
		}
	}
	if len(undeletable) > 0 && len(f.faults) == 0 && deleted == 0 {
		d.skip(cleanUpClients, "the server offers no way to delete %s", quoteAll(undeletable))
		return
	}
	if len(undeletable) > 0 {
		f.warn(nil, "the server offers no way to delete %s", quoteAll(undeletable))
	}
	f.end("%s", fmt.Sprintf("%d deleted", deleted))
}

// quoteAll returns all ids, without the limit of quotes: the user may have to
// ask the server's operator to delete these clients.
func quoteAll(ids []string) string {
	var list []string
	for _, id := range ids {
		list = append(list, quote(id))
	}
	return words(list)
}
