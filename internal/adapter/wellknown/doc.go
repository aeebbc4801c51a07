// Package wellknown is an adapter: it fetches the user pool's OpenID provider
// configuration over plain HTTP and caches it. pkg/discovery parses
// it. It leaves out Cognito's OAuth endpoints, so that the metadata function
// does not link their client.
package wellknown
