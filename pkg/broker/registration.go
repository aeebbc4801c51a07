package broker

import (
	"encoding/json"
	"log/slog"
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// RegistrationState is the state of a registration.
type RegistrationState string

const (
	// RegistrationActive means that the client can get tokens.
	RegistrationActive RegistrationState = "active"
	// RegistrationPending means that the client's profile has approval "manual"
	// and no operator has approved the client with its present metadata. It can
	// be managed, but gets no tokens.
	RegistrationPending RegistrationState = "pending"
	// RegistrationDisabled means that an operator has disabled the client. It
	// can be read, but not updated or deleted, and gets no tokens.
	RegistrationDisabled RegistrationState = "disabled"
	// RegistrationDeleting means that the deletion has begun. Every request
	// except a repeated DELETE treats the registration as absent.
	RegistrationDeleting RegistrationState = "deleting"
	// RegistrationDeleted means that an operator has deleted a client whose id
	// is derived from its metadata. The record stays so that the client cannot
	// register again and get the same id. All other requests treat it as
	// absent.
	RegistrationDeleted RegistrationState = "deleted"
	// RegistrationRemoved means that the client's lifetime has ended and the
	// janitor has left this record. Requests treat it as absent, but the user
	// sees the reason, and a client that registers again gets the same id with
	// a new generation.
	RegistrationRemoved RegistrationState = "removed"
)

// ClientIDPrefix begins every client id of brokered mode.
const ClientIDPrefix = "dcr_"

// Registration is the record of one registered client.
type Registration struct {
	// ClientID is the client identifier (RFC 7591 §3.2.1). In direct mode it is
	// the id of the Cognito app client. In brokered mode it is "dcr_" and 26
	// characters of [a-z2-7], derived from the metadata for an open
	// registration, else random.
	ClientID string `json:"-" store:"key"`
	// Generation is random and new for each registration. When a derived
	// ClientID is registered again, grants and consents of the former
	// registration do not become valid again, because they name the former
	// generation.
	Generation string `json:"-" store:"generation"`
	// Version is 1 for a new record and grows by one with each replacement.
	// The Store sets it; see Registrations.ReplaceRegistration.
	Version int64 `json:"-" store:"version"`
	// Mode is the mode in which the client registered.
	Mode Mode `json:"mode"`
	// State is the state of the registration.
	State RegistrationState `json:"-" store:"state"`
	// Profile is the name of the policy profile under which the client
	// registered.
	Profile string `json:"profile"`
	// Voucher is what vouched for the registration; it is zero for open
	// registration.
	Voucher Voucher `json:"voucher,omitempty"`
	// CreatedBy is the operator who created the registration, empty if the
	// client registered itself. A client that an operator created cannot
	// register again, so its registration does not end for inactivity.
	CreatedBy string `json:"created_by,omitempty"`
	// Approved is the MetadataDigest of the metadata that an operator has
	// approved, empty if no operator has. Under a profile with approval "manual"
	// a registration with other metadata is pending.
	Approved string `json:"approved,omitempty"`
	// Metadata is the client metadata as it was returned to the client: what
	// the client sent, after validation and policy.
	Metadata dcr.ClientMetadata `json:"metadata"`
	// IssuedAt is the client_id_issued_at (RFC 7591 §3.2.1), in whole seconds.
	IssuedAt time.Time `json:"issued_at,omitzero"`
	// LastUsedAt is when the client last requested a token, recorded at most
	// once an hour; zero if it never did.
	LastUsedAt time.Time `json:"-" store:"last_used_at,kept"`
	// ActiveSince is the latest time at which the client was first used,
	// approved, or enabled again; zero if none of that has happened. If it is
	// later than LastUsedAt, inactivity counts from it.
	ActiveSince time.Time `json:"active_since,omitzero"`
	// ExpiresAt is when the record expires; zero is never. An expired record
	// counts as absent, even if it is still stored. In brokered mode a
	// registration has an expiry until its client is first used. A record with
	// an ExpiresAt has no Due.
	ExpiresAt time.Time `json:"-" store:"expires_at"`
	// Due is when the janitor must check the registration; zero is never.
	Due time.Time `json:"-" store:"due_at"`
	// Stale means that there may be grants of former generations that have not
	// been ended.
	Stale bool `json:"stale,omitzero"`
	// AccessTokens are the hashes of the registration access tokens (RFC 7592).
	// An open registration in brokered mode has none: clients with the same
	// metadata share it, so none of them may manage it.
	AccessTokens AccessTokens `json:"access_tokens,omitzero"`
	// SecretHash is the hash of the client secret of a confidential client in
	// brokered mode. In direct mode the secret is Cognito's and not stored.
	SecretHash credential.Hash `json:"secret,omitzero"`
	// AppClient is the key of the AppClient that serves the registration in
	// direct mode. It is empty in brokered mode, where the policy's profile
	// decides the key.
	AppClient string `json:"app_client,omitempty"`
	// Unknown has the members of the stored record that this program does not
	// know, because a newer one wrote them: a JSON object, or nil. A store writes
	// them back.
	Unknown json.RawMessage `json:"-" store:"unknown"`
}

// AccessTokens are the hashes of a registration's access tokens. An update
// issues a new token (RFC 7592 §2.2). Its answer may be lost, so the old token
// stays valid until the new one is first used.
type AccessTokens struct {
	// Current is the token that the client has used, or the first one.
	Current credential.Hash `json:"current,omitzero"`
	// Next is the token that the last update issued and that the client has not
	// used yet; the zero Hash if there is none.
	Next credential.Hash `json:"next,omitzero"`
}

// LogValue logs client id and profile, and neither token hashes nor text that
// the client wrote.
func (r *Registration) LogValue() slog.Value {
	return slog.GroupValue(slog.String("client_id", r.ClientID), slog.String("profile", r.Profile))
}

// Clone returns a copy that shares no memory with r.
func (r *Registration) Clone() *Registration {
	c := *r
	c.Metadata, c.Unknown = r.Metadata.Clone(), slices.Clone(r.Unknown)
	return &c
}

// Unused reports whether r is an open registration that no user has used yet. It
// expires by itself. Most registrations are of this kind, so ListRegistrations
// leaves them out: an index entry for each would cost as much as the
// registration.
func (r *Registration) Unused() bool {
	return r.State == RegistrationActive && !r.ExpiresAt.IsZero() && r.Due.IsZero() && !r.Vouched()
}

// Vouched reports whether the client registered with an initial access token or
// was created by an operator. It is false for open registration.
func (r *Registration) Vouched() bool { return !r.Voucher.Open() || r.CreatedBy != "" }
