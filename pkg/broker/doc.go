// Package broker holds records, the ports of their stores, and the few functions
// that use cases share. The records are Registration, AppClient and Intent; Grant,
// Transaction and Consent; and TableOwner. The use cases are packages below:
// registration, authorization, token, provision, janitor and operator. Two of the
// packages below are modes, brokered and direct, which plug into them. It knows
// nothing of HTTP or of AWS, and no policy.
//
// Every effect can fail in two ways: not applied, and applied with the reply lost.
// The order of effects is therefore always the same. A record is written first,
// with a time at which the janitor must look at it. Then the effect follows, at
// Cognito or on a budget. The result is recorded, and the due time is cleared or
// the record removed. The janitor finishes or undoes whatever did not get that
// far.
package broker
