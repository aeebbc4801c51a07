package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/broker/token"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// relayTime limits the call of Cognito and, at the same time, recording the use
// of a client.
const relayTime = 5 * time.Second

// Cognito is Cognito's token and revocation endpoint, called as a client of
// direct mode. The errors are *broker.UpstreamError.
type Cognito interface {
	// RelayToken sends a token request with these parameters.
	RelayToken(ctx context.Context, as clients.Credentials, params url.Values) (broker.TokenReply, error)
	// RelayRevocation revokes a refresh token.
	RelayRevocation(ctx context.Context, as clients.Credentials, token string) error
}

// Config is what a Relay needs. All fields are REQUIRED.
type Config struct {
	Clients *clients.Directory
	Cognito Cognito
	Log     *slog.Logger
	// ForwardResource reports whether Cognito gets the parameter resource (RFC
	// 8707) of a request with a code or refresh token. Otherwise the parameter is
	// ignored. It is called only for requests with the parameter. Its error is the
	// answer: without the parameter, Cognito would redeem the code for a token that
	// is bound to no resource.
	ForwardResource func(context.Context) (bool, error)
}

// Relay is the token issuer of direct mode: it sends the requests of registered
// clients to Cognito. It is safe for concurrent use.
//
// Its errors are *broker.Refusal.
type Relay struct{ config Config }

// New returns a Relay, or an error if a field of c is missing.
func New(c Config) (*Relay, error) {
	if c.Clients == nil || c.Cognito == nil || c.Log == nil || c.ForwardResource == nil {
		return nil, errors.New("relay: a required field of Config is missing")
	}
	return &Relay{c}, nil
}

// Token answers a token request. It looks up the client before it checks the
// request, so that an unknown client gets invalid_client and registers again.
// It records the use of the client once Cognito has issued tokens: a request that
// Cognito refuses is no use, as anyone can send one with the id of a public client
// (RFC 6749 §2.1).
//
// The response has the scope of the access token, or of the registration if the
// token has none.
func (l *Relay) Token(ctx context.Context, r token.Request) (*token.Response, error) {
	reg, err := l.config.Clients.Authenticate(ctx, r.Client)
	if err != nil {
		return nil, err
	}
	params, err := l.request(ctx, &r, reg)
	if err != nil {
		return nil, err
	}
	telemetry.SetAttr(ctx, telemetry.GrantType, r.GrantType)
	ctx, cancel := context.WithTimeout(ctx, relayTime)
	defer cancel()
	t, err := l.config.Cognito.RelayToken(ctx, r.Client, params)
	if err != nil {
		return nil, cognitoRefused(err, r.GrantType)
	}
	l.config.Clients.RecordUse(ctx, l.config.Log, reg)()
	a := &token.Response{AccessToken: t.AccessToken, TokenType: t.TokenType, ExpiresIn: t.ExpiresIn, IDToken: t.IDToken}
	if token.MayRefresh(reg) { // Cognito issues a refresh token with every code
		a.RefreshToken = t.RefreshToken
	}
	a.Scope = cmp.Or(broker.ScopeClaim(t.AccessToken), reg.Metadata.Scope)
	telemetry.Audit{
		Event: telemetry.TokenIssued, Actor: broker.ByClient(reg), ClientID: reg.ClientID, Profile: reg.Profile,
		After: []slog.Attr{slog.String("grant_type", r.GrantType), slog.String("scope", a.Scope)},
	}.Log(ctx, l.config.Log)
	return a, nil
}

// Revoke answers a revocation request. With a refresh token Cognito also revokes
// the access tokens of the same sign-in. For an access token Cognito answers
// unsupported_token_type.
func (l *Relay) Revoke(ctx context.Context, r token.Revocation) error {
	if _, err := l.config.Clients.Authenticate(ctx, r.Client); err != nil {
		return err
	}
	if r.Token == "" {
		return broker.Refuse(dcr.InvalidRequest, "token is required")
	}
	if err := l.config.Cognito.RelayRevocation(ctx, r.Client, r.Token); err != nil {
		return cognitoRefused(err, "")
	}
	return nil
}

// cognitoRefused returns the Refusal for the client if Cognito answered with
// err. It keeps the codes of the RFCs, with one exception: unauthorized_client
// for a wrong redirect URI becomes invalid_grant (RFC 6749 §5.2). On
// unauthorized_client MCP clients discard their registration, which would not
// help. Cognito's status for invalid_client is 400; answerFor chooses the right
// one.
//
// If the answer of Cognito was lost, Cognito may have used up the code, and only
// another request tells. The Refusal says so, because the client has to begin a new
// authorization request then.
func cognitoRefused(err error, grantType string) error {
	u, ok := errors.AsType[*broker.UpstreamError](err)
	if !ok {
		return err
	}
	switch code := dcr.Code(u.Code); code {
	case "":
		if grantType == dcr.GrantAuthorizationCode {
			return broker.Unavailable(u.Description+"; "+codeMayBeSpent, u.RetryAfter, err)
		}
		return broker.Unavailable(u.Description+", try again", u.RetryAfter, err)
	case broker.InvalidClient:
		return broker.Refuse(code, cmp.Or(u.Description, "client authentication failed"))
	case broker.UnauthorizedClient:
		if grantType == dcr.GrantAuthorizationCode && u.WrongRedirect {
			return broker.Refuse(broker.InvalidGrant, "redirect_uri is not the one of the authorization request")
		}
		return broker.Refuse(code, u.Description)
	case dcr.InvalidRequest, broker.InvalidGrant, broker.UnsupportedGrantType, broker.InvalidScope, broker.InvalidTarget, broker.UnsupportedTokenType:
		return broker.Refuse(code, u.Description)
	}
	err = fmt.Errorf("unknown error code: %w", err)
	if grantType == dcr.GrantAuthorizationCode {
		return broker.Unavailable("Cognito could not answer; "+codeMayBeSpent, broker.RetrySoon, err)
	}
	return broker.CognitoUnavailable(err)
}

// codeMayBeSpent says what a client does about a code that Cognito may have used
// up.
const codeMayBeSpent = "try again, and if the answer is invalid_grant then, start over with a new authorization request"
