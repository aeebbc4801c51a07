package broker

import (
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// jwtPrefix distinguishes the vouchers and budgets of JWTs from the ids of our
// own initial access tokens, which have no slash.
const jwtPrefix = "jwt/"

// A Voucher names what vouches for a registration: the id of an initial access
// token, or "jwt/", the name of the policy's token issuer, "/", and the subject
// of a JWT. The empty Voucher is open registration.
type Voucher string

// JWTVoucher is the Voucher of a JWT: issuer is the name of the policy's entry.
func JWTVoucher(issuer, subject string) Voucher {
	return Voucher(jwtPrefix + issuer + "/" + subject)
}

// Open reports whether nothing vouches for the registration.
func (v Voucher) Open() bool { return v == "" }

// Actor is the actor of a registration, for the audit trail.
func (v Voucher) Actor() telemetry.Actor {
	if v.Open() {
		return telemetry.Actor{Kind: "anonymous"}
	}
	if rest, ok := strings.CutPrefix(string(v), jwtPrefix); ok {
		return telemetry.Actor{Kind: "token_issuer", ID: rest}
	}
	return telemetry.Actor{Kind: "initial_access_token", ID: string(v)}
}

// A Use is the use that a registration takes of its voucher: of an initial
// access token, or a place in the budget of a JWT. The zero value is for
// vouchers whose uses are not counted.
type Use struct {
	// Token is the id of an initial access token, or empty.
	Token string `json:"token,omitempty"`
	// Budget is the key of the budget of a JWT, or empty.
	Budget string `json:"budget,omitempty"`
}

// JWTUse is the use of the JWT with that id.
func JWTUse(id string) Use { return Use{Budget: jwtPrefix + id} }
