package policy

import (
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// modeRules are the rules that differ between modes. The zero value is the rules
// of direct mode.
type modeRules struct {
	// signsIn: the broker signs users in, so a profile may have signInKeys.
	signsIn bool
	// addsOpenID: app clients have openid even if the profile does not list it.
	addsOpenID bool
	// noAdmin: no app client has the scope with which a client changes a user's
	// account.
	noAdmin bool
	// openUnconfirmed is the default lifetime of an openly registered client that
	// is never used; 0 is no limit.
	openUnconfirmed time.Duration
}

var rulesOf = map[broker.Mode]modeRules{
	broker.ModeDirect:   {},
	broker.ModeBrokered: {signsIn: true, addsOpenID: true, noAdmin: true, openUnconfirmed: 7 * 24 * time.Hour},
}
