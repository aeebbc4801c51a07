// Package broker is the broker's records and ports: the values that it stores,
// and the interfaces through which use cases read and change them.
//
// The records are [Registration], [AppClient] and [Intent]; [Grant],
// [Transaction] and [Consent]; and [TableOwner]. [Deployment] and [Resource] are
// settings, and [Tokens] is what Cognito issued. A record knows the rules of its
// own life (such as [Grant.Verdict]), but no policy.
//
// The ports, each a contract with a test suite or a fake in test/:
//
//   - [Store] and [GrantStore] keep the records. Store consists of
//     [Registrations], [AppClientRecords], [InitialAccessTokens], [Budgets] and
//     [Sweeping].
//   - [Provisioner] makes a missing app client on request, for functions that
//     have no right at Cognito.
//   - [GrantEnder] ends grants and revokes Cognito's tokens.
//
// The packages that call a user pool declare their ports to it: direct,
// provision and janitor.
//
// Every effect can fail in two ways: it was not applied, or it was applied and
// the reply was lost. So effects always come in the same order. First a record
// is written, with a time at which the janitor must check it. Then the effect
// follows, at Cognito or on a budget. Then the result is recorded, and the due
// time is cleared or the record removed. The janitor finishes or undoes what did
// not get that far.
//
// What several use cases share is here too: errors ([Refusal],
// [UpstreamError]), writes that survive a lost reply ([RecordRegistration],
// [ChangeAppClient]) and the [AuditTrail].
//
// The package leaves out every decision: registering, authorizing, issuing
// tokens and sweeping are the packages below it, and package policy decides about
// records. It knows nothing of HTTP or AWS.
//
// Programs that bring a store of their own implement its ports. There is no
// promise of compatibility before v1.
//
// The package is longer than 1,500 lines because its records and ports refer to
// each other: a port of one package with records of another would need both.
package broker
