package broker

import (
	"log/slog"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// RegistrationState is where a registration stands in its life.
type RegistrationState string

const (
	// RegistrationActive is a client that may be used.
	RegistrationActive RegistrationState = "active"
	// RegistrationPending is a client whose profile has approval "manual" and
	// that no operator has approved: it can be managed, but gets no tokens.
	RegistrationPending RegistrationState = "pending"
	// RegistrationDisabled is a client that an operator has switched off: it
	// can be read and updated, but not deleted, and gets no tokens.
	RegistrationDisabled RegistrationState = "disabled"
	// RegistrationDeleting is a client whose deletion has begun. To everyone
	// but a repeated DELETE it is as good as gone.
	RegistrationDeleting RegistrationState = "deleting"
	// RegistrationDeleted is a client that an operator has deleted and whose
	// id, being derived, would come back if nothing were left of it. To
	// everyone it is gone, and to whoever registers it again refused.
	RegistrationDeleted RegistrationState = "deleted"
	// RegistrationRemoved is what Sweep leaves of a client whose lifetime has
	// ended. To everyone it is gone, but its users are told why, and who
	// registers it again gets its id under a new generation.
	RegistrationRemoved RegistrationState = "removed"
)

// ClientIDPrefix begins every client id of brokered mode.
const ClientIDPrefix = "dcr_"

// Registration is the record of one registered client.
type Registration struct {
	// ClientID is the client identifier that the client was given (RFC 7591
	// §3.2.1). In direct mode it is the id of the Cognito app client. In
	// brokered mode it is "dcr_" and 26 characters of [a-z2-7]: for an open
	// registration derived from its metadata, else random.
	ClientID string
	// Generation is random and new for each registration, so that nothing
	// which names it outlives the registration when its id comes back.
	Generation string
	// Version is 1 for a new record and grows by one with each replacement.
	// The Store sets it; see Registrations.ReplaceRegistration.
	Version int64
	Mode    Mode
	State   RegistrationState
	// Profile is the name of the policy profile under which it was made.
	Profile string
	// Voucher is what vouched for it.
	Voucher Voucher
	// CreatedBy is the operator who registered it ahead, empty for one that
	// registered itself. Such a client cannot register again, so its lifetime
	// does not end by itself.
	CreatedBy string
	// Metadata is what the client was told: its own wishes after validation
	// and policy.
	Metadata dcr.ClientMetadata
	// IssuedAt is whole seconds, as the client sees it.
	IssuedAt time.Time
	// LastUsedAt is when the client last asked for a token, at most an hour
	// behind; zero if it never did.
	LastUsedAt time.Time
	// ActiveSince is when it was first used, approved, or enabled again, whichever
	// was last; zero if nothing of this happened. Inactivity counts from there
	// when LastUsedAt is earlier.
	ActiveSince time.Time
	// ExpiresAt is when the record ceases to exist; zero is never. A record
	// whose time has come counts as absent, whether or not it is still stored.
	// In brokered mode a registration expires until it is first used. One with
	// an ExpiresAt has no Due.
	ExpiresAt time.Time
	// Due is when Sweep must look at it; zero is never.
	Due time.Time
	// Stale is whether there may be grants of its former generations that have
	// not been ended.
	Stale bool
	// AccessTokens are the hashes of its registration access tokens (RFC 7592).
	// Open registrations of brokered mode have none, since they belong to
	// everyone who registers the same.
	AccessTokens AccessTokens
	// SecretHash is the hash of the client secret of a confidential client in
	// brokered mode. In direct mode the secret is Cognito's and not stored.
	SecretHash credential.Hash
	// AppClient is the key of the AppClient that serves it in direct mode, and
	// empty in brokered mode; see AppClientKey.
	AppClient string
}

// AccessTokens are the hashes of a registration's access tokens. An update
// hands out a new token whose answer may be lost, so the old one stays good
// until the new one is first used.
type AccessTokens struct {
	Current credential.Hash
	// Next is the token that the last update handed out and nobody has used
	// yet; the zero Hash if there is none.
	Next credential.Hash
}

// LogValue keeps token hashes and what clients wrote out of logs.
func (r *Registration) LogValue() slog.Value {
	return slog.GroupValue(slog.String("client_id", r.ClientID), slog.String("profile", r.Profile))
}

// Clone returns a copy that shares no memory with r.
func (r *Registration) Clone() *Registration {
	c := *r
	c.Metadata = r.Metadata.Clone()
	return &c
}

// Vouched reports whether somebody vouched for the client. One that registered
// openly is a stranger.
func (r *Registration) Vouched() bool { return !r.Voucher.Open() || r.CreatedBy != "" }
