package walk

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// client has the members of a registration response that the walk needs.
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

// checkRegistration checks the registration (RFC 7591 §3).
func (j *journey) checkRegistration(x *exchange) error {
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
	p.want((c.ManageURI == "") == (c.ManageToken == ""), "only one of registration_client_uri and registration_access_token is present")
	p.equal("Cache-Control", x.res.Header.Get("Cache-Control"), "no-store")
	p.contains("redirect_uris", c.RedirectURIs, j.back.uri)
	p.contains("grant_types", c.GrantTypes, "authorization_code")
	p.contains("grant_types", c.GrantTypes, "refresh_token")
	p.equal("token_endpoint_auth_method", c.AuthMethod, j.opts.authMethod())
	if j.opts.InitialAccessToken == "" {
		p.want(c.Secret == "", "a public client got a client_secret")
		facts := []string{"registered as requested: without a secret"}
		if j.brokered() {
			// With it one user could delete the client of all the others.
			p.want(c.ManageURI == "", "registration_client_uri is present, although identical registrations share this client")
			facts = append(facts, "no way to manage it: a registration with the same metadata, except ports, is the same client")
		}
		return j.conclude(p, facts...)
	}
	p.want(c.Secret != "", "client_secret is missing")
	p.want(len(c.SecretExpiresAt) > 0, "client_secret_expires_at is missing, but REQUIRED with client_secret")
	return j.conclude(p, "registered as requested: with a secret")
}

// unregister deletes the client (RFC 7592 §2.3), if the broker allows it.
func (j *journey) unregister(ctx context.Context) error {
	if j.client.ManageURI == "" || j.opts.Keep {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.out.step("Delete the client (RFC 7592)")
	x, err := j.deleteClient(ctx)
	if err != nil {
		return err
	}
	j.out.request(x)
	j.out.sentHeader(x, "Authorization")
	j.out.answer(x)
	j.client.ManageURI = "" // no second attempt in cleanUp
	var p problems
	p.equal("status", x.res.StatusCode, http.StatusNoContent)
	return j.conclude(p, "the client is deleted")
}

// cleanUp deletes the client after a failed step, even if ctx has ended.
func (j *journey) cleanUp(ctx context.Context) error {
	if j.client.ManageURI == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	x, err := j.deleteClient(ctx)
	if err != nil {
		return fmt.Errorf("the client %s is left behind: %w", j.client.ID, err)
	}
	if x.res.StatusCode != http.StatusNoContent {
		return fmt.Errorf("the client %s is left behind: %s", j.client.ID, x.res.Status)
	}
	return nil
}

func (j *journey) deleteClient(ctx context.Context) (*exchange, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, j.client.ManageURI, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+j.client.ManageToken)
	return j.send(req)
}
