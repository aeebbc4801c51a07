// Package broker holds the use cases: registering a client (RFC 7591),
// managing it (RFC 7592), looking it up for a token, and finishing or undoing
// what was left half done. It knows nothing of HTTP or of AWS; its two ports
// are Store and AppClients.
//
// Every effect can fail in two ways, not applied and applied with the reply
// lost. The order of effects is therefore always the same: the AppClient record
// is written, with a time at which somebody must look at it again; Cognito is
// called; the Registration is written; the record's due time is cleared.
// Sweep finishes or undoes whatever did not get that far.
package broker
