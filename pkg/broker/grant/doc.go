// Package grant holds what the broker knows of authorizations when it is the
// authorization server itself: a Transaction while somebody is signing in and
// asked for consent, a Grant from the consent on, and a remembered Consent. It
// holds their rules that need neither HTTP nor a store, and the contract of the
// store that keeps them.
//
// No secret that the broker hands out is in any of them, only SHA-256 hashes;
// what Cognito handed out is in them sealed (package seal).
package grant
