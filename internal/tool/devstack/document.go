package devstack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"

	"github.com/dcr-broker/dcr-broker/config"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
)

// document is the source of the local broker's configuration.
type document struct {
	// file is the operator's own document, or empty for the example.
	file string
	// mcp is the URL of the sample MCP server.
	mcp  string
	mode broker.Mode
}

// object is a JSON object.
type object = map[string]any

// read returns the document. If it declares no protected resources, the sample
// MCP server becomes one, so that clients can get tokens for it.
func (d document) read() ([]byte, error) {
	body := config.Example()
	if d.file != "" {
		var err error
		if body, err = os.ReadFile(d.file); err != nil {
			return nil, err
		}
	}
	var doc object
	if json.Unmarshal(body, &doc) != nil || doc == nil {
		return body, nil // the check of the document says what is wrong
	}
	if d.file == "" {
		doc["branding"] = object{"name": "Example Corp"}
		doc["scopes"] = []object{
			{"name": "openid"},
			{"name": readScope, "description": "Read your notes"},
			{"name": writeScope, "description": "Write and delete your notes"},
		}
	}
	if _, ok := doc["protected_resources"]; ok {
		return body, nil
	}
	doc["protected_resources"] = []object{d.sample(doc)}
	if _, ok := doc["resource_binding"]; !ok && d.mode == broker.ModeBrokered {
		doc["resource_binding"] = true // the local Cognito can
	}
	return json.MarshalIndent(doc, "", "  ")
}

// sample returns the sample MCP server as a protected resource, with those of its
// scopes that doc declares.
func (d document) sample(doc object) object {
	var scopes []string
	declared, _ := doc["scopes"].([]object)
	if list, ok := doc["scopes"].([]any); ok {
		for _, s := range list {
			if o, ok := s.(object); ok {
				declared = append(declared, o)
			}
		}
	}
	for _, name := range []string{readScope, writeScope} {
		if slices.ContainsFunc(declared, func(o object) bool { return o["name"] == name }) {
			scopes = append(scopes, name)
		}
	}
	r := object{"resource": d.mcp, "name": sampleName, "scopes": scopes}
	if d.mode == broker.ModeBrokered {
		secret := sha256.Sum256([]byte(IntrospectionSecret))
		r["introspection_clients"] = []object{{"id": IntrospectionID, "secret_sha256": hex.EncodeToString(secret[:])}}
	}
	return r
}

// Versions implements configuration.Reader.
func (d document) Versions(context.Context) ([]configuration.Version, error) {
	body, err := d.read()
	if err != nil {
		return nil, err
	}
	return []configuration.Version{{Schema: configuration.SchemaVersion, Digest: configuration.Digest(body)}}, nil
}

// Body implements configuration.Reader.
func (d document) Body(context.Context, configuration.Version) ([]byte, error) { return d.read() }
