// Package direct is a mode: clients use Cognito's own authorization server,
// each with its own app client at Cognito. The record of the app client is
// stored first, then the app client is created, and the registration is stored
// last.
//
// The mode plugs into the use cases: [Lifecycle] into registration, [Switch]
// into operator, [Reconciler] into janitor. [Adopter] registers app clients
// that operators created. [Relay] is the token issuer of this mode: it knows
// which clients are registered and for what, sends Cognito the parameters that
// Cognito knows, and answers in the form of the RFCs. It leaves out:
//
//   - the check that an authorization request had a code_challenge. Such requests
//     go to Cognito directly, which does not require one. Relay requires the
//     verifier with each code;
//   - narrowing the scope with a refresh token: Cognito reads scope with
//     client_credentials only;
//   - the check of secrets, codes and refresh tokens, which only Cognito knows;
//   - introspection, because Cognito's grants are not known here.
package direct
