package walk

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// client is what the walk needs of the answer to a registration.
type client struct {
	ID              string          `json:"client_id"`
	Secret          string          `json:"client_secret"`
	SecretExpiresAt json.RawMessage `json:"client_secret_expires_at"`
	IssuedAt        json.RawMessage `json:"client_id_issued_at"`
	RedirectURIs    []string        `json:"redirect_uris"`
	GrantTypes      []string        `json:"grant_types"`
	AuthMethod      string          `json:"token_endpoint_auth_method"`
	ManageURI       string          `json:"registration_client_uri"`
	ManageToken     string          `json:"registration_access_token"`
}

// registered is the registration (RFC 7591 section 3).
func (j *journey) registered(x *exchange) error {
	if j.opts.InitialAccessToken == "" {
		j.out.step("Register, openly, as a public client (RFC 7591)")
	} else {
		j.out.step("Register as a confidential client, with an initial access token (RFC 7591)")
	}
	j.out.request(x)
	j.out.sentHeader(x, "Authorization")
	j.out.sentObject(x.reqBody)
	j.out.answer(x)

	var p problems
	p.equal("status", x.res.StatusCode, http.StatusCreated)
	if p.err() != nil {
		j.out.object(x.resBody, "error", "error_description", "request_id")
		return p.err()
	}
	if err := x.decode(&j.client); err != nil {
		return err
	}
	j.registration = x
	j.out.object(x.resBody, "client_id", "client_secret", "client_secret_expires_at", "client_id_issued_at", "redirect_uris", "grant_types",
		"token_endpoint_auth_method", "scope", "registration_client_uri", "registration_access_token")
	c := j.client
	j.outcome.ClientID, j.outcome.ClientSecret = c.ID, c.Secret
	j.outcome.ManageURI, j.outcome.ManageToken = c.ManageURI, c.ManageToken
	p.want(c.ID != "", "client_id is missing")
	p.want((c.ManageURI == "") == (c.ManageToken == ""), "registration_client_uri and registration_access_token go together")
	p.equal("Cache-Control", x.res.Header.Get("Cache-Control"), "no-store")
	p.contains("redirect_uris", c.RedirectURIs, j.back.uri)
	p.contains("grant_types", c.GrantTypes, "authorization_code")
	p.contains("grant_types", c.GrantTypes, "refresh_token")
	p.equal("token_endpoint_auth_method", c.AuthMethod, j.opts.authMethod())
	if j.opts.InitialAccessToken == "" {
		p.want(c.Secret == "", "a public client got a client_secret")
		facts := []string{"registered as asked: without a secret"}
		if j.brokered() {
			// One of them could delete it for the others.
			p.want(c.ManageURI == "", "registration_client_uri is there, though everybody who registers the same shares the client")
			facts = append(facts, "nothing to manage it with: who registers the same, ports aside, is the same client")
		}
		return j.holds(p, facts...)
	}
	p.want(c.Secret != "", "client_secret is missing")
	p.want(len(c.SecretExpiresAt) > 0, "client_secret_expires_at is missing, and REQUIRED beside client_secret")
	return j.holds(p, "registered as asked: with a secret")
}

// unregister deletes the client (RFC 7592 section 2.3), if it got what that
// takes.
func (j *journey) unregister(ctx context.Context) error {
	if j.client.ManageURI == "" || j.opts.Keep {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.out.step("Delete the client again (RFC 7592)")
	x, err := j.remove(ctx)
	if err != nil {
		return err
	}
	j.out.request(x)
	j.out.sentHeader(x, "Authorization")
	j.out.answer(x)
	j.client.ManageURI = "" // tried once is enough
	var p problems
	p.equal("status", x.res.StatusCode, http.StatusNoContent)
	return j.holds(p, "the client is gone")
}

// leave deletes the client after a step that did not hold, even if that was
// because ctx ended.
func (j *journey) leave(ctx context.Context) error {
	if j.client.ManageURI == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	x, err := j.remove(ctx)
	if err != nil {
		return fmt.Errorf("the client %s stays behind: %w", j.client.ID, err)
	}
	if x.res.StatusCode != http.StatusNoContent {
		return fmt.Errorf("the client %s stays behind: %s", j.client.ID, x.res.Status)
	}
	return nil
}

func (j *journey) remove(ctx context.Context) (*exchange, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, j.client.ManageURI, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+j.client.ManageToken)
	return j.send(req)
}
