package cognitoauth

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
)

// RelayToken sends a token request to Cognito as the client itself, an app
// client of direct mode, with the client's own authentication method.
func (c *Client) RelayToken(ctx context.Context, as clients.Credentials, params url.Values) (broker.TokenReply, error) {
	body, err := c.post(ctx, c.config.TokenEndpoint, as, params)
	if err != nil {
		return broker.TokenReply{}, err
	}
	o, ok := object(body)
	t := broker.TokenReply{
		AccessToken:  o.text("access_token"),
		TokenType:    o.text("token_type"),
		RefreshToken: o.text("refresh_token"),
		IDToken:      o.text("id_token"),
	}
	if !ok || t.AccessToken == "" || t.TokenType == "" {
		return broker.TokenReply{}, badAnswer(errors.New("status 200 without a token"))
	}
	if err := json.Unmarshal(o["expires_in"], &t.ExpiresIn); err != nil || t.ExpiresIn < 0 {
		t.ExpiresIn = 0
	}
	return t, nil
}

// RelayRevocation revokes a refresh token as the client itself. Cognito
// documents HTTP Basic as the only method for clients with a secret.
func (c *Client) RelayRevocation(ctx context.Context, as clients.Credentials, token string) error {
	as.Basic = true
	_, err := c.post(ctx, c.config.RevocationEndpoint, as, url.Values{"token": {token}})
	return err
}
