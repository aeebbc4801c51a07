package broker

import "strings"

// NoMetadataDocuments is the description of the refusal of a client_id for which
// NamesMetadataDocument is true.
const NoMetadataDocuments = "client_id is a URL, and this server takes no client ID metadata documents; register at its registration endpoint"

// NamesMetadataDocument reports whether a client_id is a URL: that of a client ID
// metadata document (draft-ietf-oauth-client-id-metadata-document). The broker
// takes none, and its own client ids are no URLs.
func NamesMetadataDocument(clientID string) bool {
	scheme, _, ok := strings.Cut(clientID, "://")
	return ok && (strings.EqualFold(scheme, "https") || strings.EqualFold(scheme, "http"))
}
