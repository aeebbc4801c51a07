package grants

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/oauthform"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// request is a request of a client that has authenticated.
type request struct {
	form oauthform.Form
	reg  *broker.Registration
	log  *slog.Logger
	http *http.Request
}

// audit writes the line of something that has been done to g. The client that
// sends the request did it.
func (r request) audit(event telemetry.Event, g *broker.Grant, after ...slog.Attr) {
	httpapi.Audit(r.http, telemetry.Audit{
		Event: event, Actor: telemetry.Actor{Kind: "client", ID: r.reg.ClientID}, ClientID: g.ClientID, Profile: r.reg.Profile,
		AppClient: g.CognitoID, Grant: g.ID, User: g.User.Sub, After: after,
	})
}

// issued writes the line of an access token that is handed out.
func (r request) issued(g *broker.Grant, grantType string, scopes []string, expires time.Time) {
	r.audit(telemetry.TokenIssued, g, slog.String("grant_type", grantType),
		slog.String("scope", strings.Join(scopes, " ")), slog.Time("expires_at", expires.UTC().Truncate(time.Second)))
}

// answer is a successful answer (RFC 6749 §5.1).
type answer struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in,omitzero"` // seconds; 0 is less than one
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope,omitempty"`
}

// String implements fmt.Stringer.
func (*answer) String() string { return "[redacted]" }

// LogValue implements slog.LogValuer.
func (*answer) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// Token serves POST /token (RFC 6749 §3.2) for the grant types
// authorization_code, refresh_token and client_credentials. A client that is
// unknown or may not be used is invalid_client with status 401, so that it
// registers again. When the store or Cognito cannot be reached, the answer is 503
// with Retry-After, and the refresh token that was sent stays good.
func (e *Endpoints) Token() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, err := e.token(r)
		if err != nil {
			httpapi.WriteError(w, r, err)
			return
		}
		httpapi.WriteJSON(w, r, http.StatusOK, a)
	})
}

func (e *Endpoints) token(r *http.Request) (*answer, error) {
	telemetry.Count(r.Context(), telemetry.Tokens, 1)
	ctx, cancel := context.WithTimeout(r.Context(), requestTime)
	defer cancel()
	req, err := e.request(ctx, r)
	if err != nil {
		return nil, err
	}
	grantType, err := oauthform.GrantType(req.form, req.reg)
	if err != nil {
		return nil, err
	}
	telemetry.Note(ctx, telemetry.GrantType, grantType)
	switch grantType {
	case dcr.GrantAuthorizationCode:
		return e.redeem(ctx, req)
	case dcr.GrantRefreshToken:
		return e.refresh(ctx, req)
	default:
		return e.clientCredentials(ctx, req)
	}
}

// request reads a request and authenticates the client that sent it.
func (e *Endpoints) request(ctx context.Context, r *http.Request) (request, error) {
	f, err := oauthform.Read(r)
	if err != nil {
		return request{}, err
	}
	cred, err := oauthform.Authenticate(r, f)
	if err != nil {
		return request{}, err
	}
	reg, err := oauthform.Registered(ctx, e.Clients, cred)
	if err != nil {
		return request{}, err
	}
	if cred.Secret != "" && !reg.SecretHash.Matches(credential.Presented(cred.Secret)) {
		return request{}, cred.Invalid("client authentication failed")
	}
	return request{f, reg, httpapi.Logger(r), r}, nil
}

// find returns the grant that a code or refresh token names. There being none is
// the refusal.
func (e *Endpoints) find(ctx context.Context, tok credential.Token, refusal error) (*broker.Grant, error) {
	id, err := credential.GrantID(tok)
	if err != nil {
		return nil, refusal
	}
	g, err := e.store.Grant(ctx, id)
	if errors.Is(err, broker.ErrNotFound) {
		return nil, refusal
	}
	if err != nil {
		return nil, oauthform.Unavailable("the grant could not be read", err)
	}
	return g, nil
}

// current returns an error unless g is of the registration as it is now. The
// tokens of one that has been deleted, disabled or made anew are worth nothing
// (its generation is another).
func (e *Endpoints) current(ctx context.Context, req request, g *broker.Grant) error {
	if g.ClientID != req.reg.ClientID {
		return invalidGrant("this was issued to another client")
	}
	if g.Generation != req.reg.Generation {
		return e.over(ctx, req, g, "the registration it was for is gone", "the registration that this was issued for has ended; authorize again")
	}
	return nil
}

// forResource checks the resource parameter, which can only repeat the resource
// of the grant (RFC 8707 §2.2).
func forResource(req request, g *broker.Grant) error {
	named, err := oauthform.Resource(req.form)
	if err == nil && named != "" && !broker.SameResource(named, g.Resource) {
		return oauthform.Refusal("invalid_target", "resource is not the one of the authorization request")
	}
	return err
}

// over ends g for a reason that is logged, and returns what the client is told.
func (e *Endpoints) over(ctx context.Context, req request, g *broker.Grant, reason, told string) error {
	before := g.EndedAt
	err := e.Ender.End(ctx, g)
	if g.EndedAt.IsZero() {
		return oauthform.Unavailable("the grant could not be ended", err)
	}
	if err != nil {
		req.log.WarnContext(ctx, "ending a grant left to do", "grant", g, "error", err)
	}
	if before.IsZero() {
		req.audit(telemetry.GrantEnded, g, slog.String("reason", reason))
	}
	return invalidGrant(told)
}

// renew fetches a new access token for g, of which kept are Cognito's tokens, and
// says what g is to keep of them. If Cognito will not any more, g ends.
func (e *Endpoints) renew(ctx context.Context, req request, g *broker.Grant, kept broker.Tokens) (t broker.Tokens, sealed string, err error) {
	err = e.apps.with(
		e.apps.kept(ctx, g, kept), g.AppClient,
		func(a app) (err error) {
			t, err = e.cognito.Refresh(ctx, a.AppCredentials, kept.RefreshToken)
			t.AppSecret = a.Secret
			return err
		})
	if err == nil {
		t.RefreshToken = cmp.Or(t.RefreshToken, kept.RefreshToken)
		if t.RefreshToken == kept.RefreshToken && t.AppSecret == kept.AppSecret {
			return t, g.Tokens, nil
		}
		return t, e.ring.Seal(tokensPurpose, g.ID, t.Encode()), nil
	}
	const told = "the sign-in that this came of has ended; authorize again"
	if errors.Is(err, errGone) {
		return t, "", e.over(ctx, req, g, "its app client is gone", told)
	}
	if refused, ok := errors.AsType[*broker.UpstreamError](err); ok && refused.Code == "invalid_grant" {
		return t, "", e.over(ctx, req, g, "Cognito does not refresh it any more", told)
	}
	return t, "", cognitoFailed(fmt.Errorf("refresh grant %s: %w", g.ID, err))
}

// answerOf is what the client is told when g has yielded t and next.
func (e *Endpoints) answerOf(req request, g *broker.Grant, t broker.Tokens, next credential.Token) *answer {
	a := &answer{AccessToken: t.AccessToken, TokenType: "Bearer", ExpiresIn: e.seconds(t.ExpiresAt), Scope: reported(g.Scopes)}
	if mayRefresh(req.reg) {
		a.RefreshToken = next.Reveal()
	}
	return a
}

func (e *Endpoints) seconds(until time.Time) int64 {
	return max(0, int64(until.Sub(e.now())/time.Second))
}

func mayRefresh(reg *broker.Registration) bool {
	return slices.Contains(reg.Metadata.GrantTypes, dcr.GrantRefreshToken)
}
