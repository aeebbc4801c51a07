// Package grants is shared by use cases: it ends grants, and it opens the app
// client that Cognito's tokens of a grant were issued to. It leaves out what
// makes a grant (package authorization) and what uses it (package token).
package grants
