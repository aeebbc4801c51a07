// Package direct is a use case, the one of direct mode, in which a client uses
// Cognito under the id of an app client of its own.
//
// Relay is the token issuer of this mode. It knows which clients are registered
// and for what, sends Cognito the parameters that Cognito knows, and answers in
// the form of the RFCs. It leaves out:
//
//   - the check that an authorization request had a code_challenge. Such requests
//     go to Cognito directly, which does not require one. Relay requires the
//     verifier with each code;
//   - narrowing the scope with a refresh token: Cognito reads scope with
//     client_credentials only;
//   - the check of secrets, codes and refresh tokens, which only Cognito knows;
//   - introspection, because Cognito's grants are not known here.
package direct
