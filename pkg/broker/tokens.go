package broker

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// AppCredentials are the id and the secret of one of the broker's app clients.
// They print as "[redacted]".
type AppCredentials struct {
	credential.Redacted
	ID, Secret string
}

// Tokens is what Cognito issued. It prints as "[redacted]".
type Tokens struct {
	credential.Redacted
	// AccessToken is Cognito's access token.
	AccessToken string
	// RefreshToken is Cognito's refresh token, "" if there is none.
	RefreshToken string
	// IDToken is Cognito's ID token, "" if there is none.
	IDToken string
	// AppSecret is the secret of the app client to which the tokens were
	// issued. The use case that stores the tokens sets it, so that a refresh
	// does not have to read the app client's record; "" if it was not set.
	AppSecret string

	// IssuedAt is the iat of the access token.
	IssuedAt time.Time
	// ExpiresAt is the exp of the access token.
	ExpiresAt time.Time
	// Scopes are the scopes of the access token.
	Scopes []string
	// Sub is the sub of the access token: the user, or with client_credentials
	// the app client.
	Sub string
	// OriginJTI is the claim that all tokens of one sign-in share, "" with
	// client_credentials.
	OriginJTI string
	// JTI is the claim jti of the access token, which names it.
	JTI string
	// User is the user whom the ID token describes; its zero value if there is
	// no ID token.
	User User
}

// ParseTokens returns the tokens that Cognito's token endpoint sent to that app
// client, with the fields that follow from their claims. refresh and id may be
// empty.
//
// It checks no signatures: the tokens came from Cognito's token endpoint over a
// connection of ours (OpenID Connect Core 1.0 §3.1.3.7, item 6).
func ParseTokens(app AppCredentials, access, refresh, id string) (Tokens, error) {
	t := Tokens{AccessToken: access, RefreshToken: refresh, IDToken: id}
	if err := t.readAccessToken(); err != nil {
		return Tokens{}, err
	}
	if id == "" {
		return t, nil
	}
	return t, t.readIDToken(app)
}

// TokenReply is a response of Cognito's token endpoint (RFC 6749 §5.1) that the
// broker passes on to a client of direct mode. It prints as "[redacted]".
type TokenReply struct {
	credential.Redacted
	// AccessToken is Cognito's access token.
	AccessToken string
	// TokenType is the type of the access token, "Bearer".
	TokenType string
	// ExpiresIn is the lifetime of the access token in seconds, 0 if it is not
	// known.
	ExpiresIn int64
	// RefreshToken is Cognito's refresh token, "" if there is none.
	RefreshToken string
	// IDToken is Cognito's ID token, "" if there is none.
	IDToken string
}

// ScopeClaim returns the scope of an access token that is a JWT (RFC 9068
// §2.2.3), or "" if it has none or is not a JWT. It does not check the signature.
func ScopeClaim(token string) string {
	var claims struct {
		Scope string `json:"scope"`
	}
	if readClaims(token, &claims) != nil {
		return ""
	}
	return strings.Join(strings.Fields(claims.Scope), " ")
}

// storedTokens is the part of Tokens that is stored, sealed.
type storedTokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	ExpiresAt    int64  `json:"expires_at"`
	AppSecret    string `json:"app_secret,omitempty"`
}

// Encode returns the text that is sealed and stored: the access token with its
// expiry, the refresh token, and the app client's secret. It leaves out the ID
// token, which no client receives.
func (t Tokens) Encode() string {
	b, err := json.Marshal(storedTokens{t.AccessToken, t.RefreshToken, t.ExpiresAt.Unix(), t.AppSecret})
	if err != nil {
		panic(err) // strings and a number only: cannot happen
	}
	return string(b)
}

// DecodeTokens reads what Encode wrote. It sets the fields that follow from the
// access token; User stays zero.
func DecodeTokens(text string) (Tokens, error) {
	var k storedTokens
	if err := json.Unmarshal([]byte(text), &k); err != nil {
		return Tokens{}, errors.New("decode tokens: not what was encoded")
	}
	t := Tokens{AccessToken: k.AccessToken, RefreshToken: k.RefreshToken, AppSecret: k.AppSecret}
	if err := t.readAccessToken(); err != nil {
		return Tokens{}, fmt.Errorf("decode tokens: %w", err)
	}
	return t, nil
}

func (t *Tokens) readAccessToken() error {
	var claims struct {
		Sub       string  `json:"sub"`
		Scope     string  `json:"scope"`
		OriginJTI string  `json:"origin_jti"`
		JTI       string  `json:"jti"`
		Iat       float64 `json:"iat"`
		Exp       float64 `json:"exp"`
	}
	if err := readClaims(t.AccessToken, &claims); err != nil {
		return fmt.Errorf("access token: %w", err)
	}
	if claims.Sub == "" || claims.Iat <= 0 || claims.Exp <= claims.Iat || claims.Exp > 1<<40 {
		return errors.New("access token without sub, iat or exp")
	}
	t.Sub, t.OriginJTI, t.JTI, t.Scopes = claims.Sub, claims.OriginJTI, claims.JTI, strings.Fields(claims.Scope)
	t.IssuedAt = time.Unix(int64(claims.Iat), 0).UTC()
	t.ExpiresAt = time.Unix(int64(claims.Exp), 0).UTC()
	return nil
}

func (t *Tokens) readIDToken(app AppCredentials) error {
	var claims struct {
		Sub        string          `json:"sub"`
		Aud        string          `json:"aud"`
		Username   string          `json:"cognito:username"`
		Email      string          `json:"email"`
		Verified   json.RawMessage `json:"email_verified"` // a Boolean or its text
		Groups     []string        `json:"cognito:groups"`
		Identities json.RawMessage `json:"identities"`
	}
	if err := readClaims(t.IDToken, &claims); err != nil {
		return fmt.Errorf("id token: %w", err)
	}
	if claims.Sub != t.Sub || claims.Aud != app.ID {
		return errors.New("id token of another user or app client")
	}
	t.User = User{claims.Sub, claims.Username, VerifiedEmail(claims.Email, claims.Verified), claims.Groups, identityProviders(claims.Identities, claims.Username)}
	return nil
}

// providerCognito is the name of the pool itself among its identity providers.
const providerCognito = "COGNITO"

// identityProviders returns the identity providers with which an account can sign
// in. raw is the claim identities: a JSON array or the text of one, which accounts
// with a federated identity have. Such an account also signs in at the pool itself,
// unless Cognito made it for one of the identities: its name is then
// {provider}_{userId}, in lower case if the names of the pool have no case. A
// provider that cannot be read is "", which no policy lists.
func identityProviders(raw json.RawMessage, username string) []string {
	if len(raw) == 0 {
		return []string{providerCognito}
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		raw = json.RawMessage(text)
	}
	var identities []struct {
		Provider string `json:"providerName"`
		UserID   string `json:"userId"`
	}
	if json.Unmarshal(raw, &identities) != nil || len(identities) == 0 {
		return []string{""}
	}
	var providers []string
	federated := false
	for _, i := range identities {
		if !slices.Contains(providers, i.Provider) {
			providers = append(providers, i.Provider)
		}
		federated = federated || i.UserID != "" && strings.EqualFold(username, i.Provider+"_"+i.UserID)
	}
	if !federated {
		providers = append(providers, providerCognito)
	}
	return providers
}

func isTrue(raw json.RawMessage) bool { return strings.Trim(string(raw), `"`) == "true" }

// readClaims reads the payload of a JWT (RFC 7519 §3) into v.
func readClaims(token string, v any) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errors.New("not a JWT")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return errors.New("not a JWT")
	}
	if err := json.Unmarshal(payload, v); err != nil {
		return errors.New("claims of unknown form")
	}
	return nil
}

// UpstreamError is the error of a call to Cognito's OAuth endpoints.
type UpstreamError struct {
	// Code is the error code with which Cognito refused (RFC 6749 §5.2). If it
	// is empty, Cognito did not answer, throttled the call or answered
	// something else, and it is not known whether the call was applied.
	Code string
	// Description is Cognito's error_description in printable ASCII without
	// quotes and backslashes, or empty. If Code is empty it is the broker's own,
	// and says in which way Cognito failed.
	Description string
	// WrongRedirect is whether Cognito refused a code because redirect_uri is not
	// that of the authorization request. Code is then unauthorized_client.
	WrongRedirect bool
	// RetryAfter is the time after which the call may succeed; it is positive
	// if Code is empty.
	RetryAfter time.Duration
	// Cause is for the log; it is nil if Code is not empty.
	Cause error
}

func (e *UpstreamError) Error() string {
	if e.Code == "" {
		return "cognito unavailable: " + e.Cause.Error()
	}
	return "cognito: " + e.Code + ": " + e.Description
}

// Unwrap returns the cause.
func (e *UpstreamError) Unwrap() error { return e.Cause }

// UpstreamCode returns the error code with which Cognito's OAuth endpoint
// refused, or "" if err is anything else.
func UpstreamCode(err error) string {
	if u, ok := errors.AsType[*UpstreamError](err); ok {
		return u.Code
	}
	return ""
}

// CognitoUnavailable returns the Refusal of a request for which Cognito did not
// do its part. The client can repeat the request, even if Cognito refused the
// broker's call: its code is about the broker and not about the client.
func CognitoUnavailable(err error) error {
	after := RetrySoon
	if u, ok := errors.AsType[*UpstreamError](err); ok && u.Code == "" {
		after = u.RetryAfter
	}
	return Unavailable("Cognito could not answer, try again", after, err)
}

// PKCEChallenge returns the PKCE challenge of a verifier (RFC 7636 §4.2, S256).
func PKCEChallenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
