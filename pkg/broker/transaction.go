package broker

import (
	"encoding/json"
	"log/slog"
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
)

// TransactionLifetime is how long a user may take from /authorize to the
// decision.
const TransactionLifetime = 10 * time.Minute

const (
	// SealTransaction is the purpose for which Transaction.Tokens is sealed from
	// StepSignedIn on.
	SealTransaction = "transaction"
	// signInRest is the time between the end of a transaction and the time at which
	// the janitor ends its sign-in. A request that began just before the end has
	// finished then, even if the clocks of the functions differ by five minutes.
	signInRest = 10 * time.Minute
	// TransactionKept is how long the janitor may try to end the sign-in of a
	// transaction, before the store deletes the record.
	TransactionKept = 30 * 24 * time.Hour
)

// Step is how far a transaction has got. Each step is taken once.
type Step string

const (
	// StepStarted begins at /authorize: the user is at Cognito.
	StepStarted Step = "started"
	// StepRedeeming begins at the callback: the broker redeems Cognito's code.
	StepRedeeming Step = "redeeming"
	// StepSignedIn begins when the broker knows the user; it waits for the
	// user's decision.
	StepSignedIn Step = "signed_in"
	// StepAllowed begins when the user has allowed. A grant follows.
	StepAllowed Step = "allowed"
	// StepRefused begins when the user has cancelled, or wants another account.
	StepRefused Step = "refused"
)

// User is the user who signed in, as Cognito's ID token describes them. The email
// address can also be from userInfo.
type User struct {
	// Sub is the claim sub: the user's id in the pool.
	Sub string `json:"sub,omitempty"`
	// Username is the claim cognito:username.
	Username string `json:"name,omitempty"`
	// Email is shown on the consent page. It is empty if Cognito sent none or
	// has not verified it.
	Email string `json:"email,omitempty"`
	// Groups are the names of the user pool's groups that the user is in.
	Groups []string `json:"groups,omitempty"`
	// IdentityProviders are the names of the pool's identity providers with which
	// the account can sign in. COGNITO is a password or passkey of the pool itself.
	IdentityProviders []string `json:"idps,omitempty"`
}

// LogValue logs the sub and nothing else that identifies a person.
func (u User) LogValue() slog.Value { return slog.GroupValue(slog.String("sub", u.Sub)) }

// Transaction is one authorization in progress in one browser.
type Transaction struct {
	// Key is the hash of the secret in the browser's cookie. Everything else
	// about the transaction that must be unguessable is derived from that
	// secret and not stored.
	Key credential.Hash `json:"-" store:"key"`
	// Version is 1 for a new record and grows by one with each change. The
	// store sets it.
	Version int64 `json:"-" store:"version"`
	// Step is how far the transaction has got.
	Step Step `json:"-" store:"step"`

	// ClientID is the client that sent the authorization request.
	ClientID string `json:"client_id"`
	// Generation is the generation of the client's registration.
	Generation string `json:"generation"`
	// RedirectURI is the client's redirect_uri, as it was sent. It has been
	// checked.
	RedirectURI string `json:"redirect_uri"`
	// State is the client's state (RFC 6749 §4.1.1), as it was sent; empty if
	// there was none.
	State string `json:"state,omitempty"`
	// Nonce is the client's nonce (OpenID Connect Core 1.0 §3.1.2.1), as it was
	// sent; empty if there was none.
	Nonce string `json:"nonce,omitempty"`
	// Scopes are the scopes that will be granted if the user allows.
	Scopes []string `json:"scopes,omitempty"`
	// Resource is the URL of the protected resource (RFC 8707).
	Resource string `json:"resource,omitempty"`
	// Challenge is the client's PKCE challenge (RFC 7636 §4.3, S256).
	Challenge string `json:"challenge"`
	// LoginHint is the client's login_hint, which Cognito receives.
	LoginHint string `json:"login_hint,omitempty"`
	// Lang is the language of the broker's pages and of Cognito's sign-in page,
	// from the client's lang or ui_locales; empty if it named none.
	Lang string `json:"lang,omitempty"`
	// Prompt is the client's prompt, which Cognito receives.
	Prompt string `json:"prompt,omitempty"`
	// IdentityProvider is the only identity provider of the profile, which Cognito
	// receives; empty if there are several.
	IdentityProvider string `json:"idp,omitempty"`

	// AppClient is the key of the app client through which the user signs in.
	AppClient string `json:"app_client,omitempty"`
	// CognitoID is the id of that app client at Cognito.
	CognitoID string `json:"cognito_id,omitempty"`

	// User is the user, from StepSignedIn on.
	User User `json:"user,omitzero"`
	// OriginJTI is the claim that all of Cognito's tokens of this sign-in
	// share, from StepSignedIn on.
	OriginJTI string `json:"origin_jti,omitempty"`
	// Tokens are Cognito's tokens from StepSignedIn on, sealed for the purpose
	// SealTransaction and Key. Before that it is the secret of the app client,
	// sealed for the purpose "sign_in" and Key, so that the callback does not
	// have to read the app client's record.
	Tokens []byte `json:"-" store:"tokens"`

	// ExpiresAt is when the record counts as absent; zero is never.
	ExpiresAt time.Time `json:"-" store:"expires_at"`
	// Due is when the janitor ends the sign-in at Cognito, unless a grant has it;
	// zero while Tokens has no tokens of Cognito. Until then, and for
	// TransactionKept, the store keeps the record although it counts as absent.
	Due time.Time `json:"-" store:"due_at"`
	// Unknown has the members of the stored record that this program does not
	// know, because a newer one wrote them: a JSON object, or nil. A store writes
	// them back.
	Unknown json.RawMessage `json:"-" store:"unknown"`
}

// SetTokens stores Cognito's tokens in t, so that the janitor ends the sign-in if
// it leads to no grant.
func (t *Transaction) SetTokens(ring *seal.Ring, tokens Tokens) {
	t.Tokens = ring.Seal(SealTransaction, t.Key.String(), tokens.Encode())
	t.Due = Seconds(t.ExpiresAt.Add(signInRest))
}

// OpenTokens returns Cognito's tokens.
func (t *Transaction) OpenTokens(ring *seal.Ring) (Tokens, error) {
	text, err := ring.Open(SealTransaction, t.Key.String(), t.Tokens)
	if err != nil {
		return Tokens{}, err
	}
	return DecodeTokens(text)
}

// LogValue logs client id and step, and neither text that the client wrote,
// hashes, tokens nor the user.
func (t *Transaction) LogValue() slog.Value {
	return slog.GroupValue(slog.String("client_id", t.ClientID), slog.String("step", string(t.Step)))
}

// Clone returns a copy that shares no memory with t.
func (t *Transaction) Clone() *Transaction {
	c := *t
	c.Scopes = slices.Clone(t.Scopes)
	c.User.Groups, c.User.IdentityProviders = slices.Clone(t.User.Groups), slices.Clone(t.User.IdentityProviders)
	c.Tokens = slices.Clone(t.Tokens)
	c.Unknown = slices.Clone(t.Unknown)
	return &c
}
