package broker

import (
	"log/slog"
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// TransactionLifetime is how long somebody may take from /authorize to the
// decision.
const TransactionLifetime = 10 * time.Minute

// Step is how far a transaction has got. Each step is taken once.
type Step string

const (
	// Started is from /authorize on: the user is at Cognito.
	StepStarted Step = "started"
	// Redeeming is from the callback on: Cognito's code is being redeemed.
	StepRedeeming Step = "redeeming"
	// SignedIn is when we know who the user is and wait for the decision.
	StepSignedIn Step = "signed_in"
	// Decided is when the user has allowed or cancelled.
	StepDecided Step = "decided"
)

// User is who signed in, as Cognito's ID token says.
type User struct {
	Sub      string
	Username string
	// Email is shown on the consent page; empty if Cognito did not say.
	Email  string
	Groups []string
	// IdentityProvider is the name of the pool's identity provider that
	// vouched, COGNITO for the pool's own users.
	IdentityProvider string
}

// LogValue keeps what names a person out of logs.
func (u User) LogValue() slog.Value { return slog.GroupValue(slog.String("sub", u.Sub)) }

// Transaction is one authorization under way in one browser.
type Transaction struct {
	// Key is the hash of the secret in the browser's cookie. Whatever else has
	// to be unguessable about the transaction is derived from that secret and
	// not stored.
	Key     credential.Hash
	Version int64
	Step    Step

	// ClientID and Generation name the registration.
	ClientID   string
	Generation string
	// What the client asked for, checked: RedirectURI as it was sent, the
	// scopes to be granted, the protected resource, the PKCE challenge (S256).
	RedirectURI string
	State       string
	Nonce       string
	Scopes      []string
	Resource    string
	Challenge   string
	// LoginHint, Lang and Prompt are handed on to Cognito.
	LoginHint string
	Lang      string
	Prompt    string

	// AppClient is the key of the app client through which the user signs in,
	// and CognitoID its id.
	AppClient string
	CognitoID string

	// From SignedIn on:
	User User
	// OriginJTI is the claim that all tokens of this sign-in share.
	OriginJTI string
	// Tokens are Cognito's, sealed for the purpose "transaction" and Key. Before
	// SignedIn it is the secret of the app client, sealed for the purpose
	// "sign_in" and Key, so that the callback needs no other row.
	Tokens string

	// ExpiresAt is when it counts as absent; the zero time is never.
	ExpiresAt time.Time
}

// LogValue keeps what the client wrote, hashes, tokens and who the user is out
// of logs.
func (t *Transaction) LogValue() slog.Value {
	return slog.GroupValue(slog.String("client_id", t.ClientID), slog.String("step", string(t.Step)))
}

// Clone returns a copy that shares no memory with t.
func (t *Transaction) Clone() *Transaction {
	c := *t
	c.Scopes = slices.Clone(t.Scopes)
	c.User.Groups = slices.Clone(t.User.Groups)
	return &c
}
