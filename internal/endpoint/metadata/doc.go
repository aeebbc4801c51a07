// Package metadata is an endpoint: the well-known documents. It serves the
// broker's authorization server metadata (RFC 8414), its OpenID provider
// configuration, and the metadata of the MCP servers in the configuration
// (RFC 9728). Requests are answered from bytes that were made when the
// configuration or Cognito's document changed.
//
// Package pkg/discovery makes the documents, and an adapter fetches Cognito's
// document, which is public. Package httpapi does request ids, CORS, OPTIONS and 405, and
// answers paths that do not exist. Range requests get the whole document
// (RFC 9110 §14.2).
package metadata
