// Package relay is a use case of direct mode: the token issuer. It knows which
// clients are registered and for what, sends Cognito the parameters that Cognito
// knows, and answers in the form of the RFCs. It leaves out:
//
//   - the check that an authorization request had a code_challenge. Such requests
//     go to Cognito directly, which does not require one. Relay requires the
//     verifier with each code;
//   - narrowing the scope with a refresh token: Cognito reads scope with
//     client_credentials only;
//   - the check of secrets, codes and refresh tokens, which only Cognito knows;
//   - introspection, because Cognito's grants are not known here.
//
// It has the requests and responses of package token, the issuer of brokered
// mode.
package relay
