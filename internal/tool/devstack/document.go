package devstack

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/dcr-broker/dcr-broker/config"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
)

// configurationError means that the broker's configuration cannot be used.
type configurationError struct {
	file string // path of the document, or empty for the example
	err  error  // why the file cannot be read, or the error of configuration.Parse, which has every fault
}

func (e *configurationError) Error() string {
	if path, ok := errors.AsType[*fs.PathError](e.err); ok {
		return fmt.Sprintf("cannot read the configuration %s: %v", e.file, path.Err)
	}
	return fmt.Sprintf("the configuration %s has faults:\n%v", e.file, e.err)
}

// Unwrap returns the reason.
func (e *configurationError) Unwrap() error { return e.err }

// document is the source of the local broker's configuration.
type document struct {
	// file is the path of the operator's own document, or empty for the example.
	file string
	// mcp is the URL of the sample MCP server.
	mcp        string
	deployment broker.Deployment
}

// load reads the document and checks it. The error is a *configurationError; the
// document is nil if the file cannot be read.
func (d document) load() ([]byte, *configuration.Configuration, error) {
	body := config.Example()
	if d.file != "" {
		var err error
		if body, err = os.ReadFile(d.file); err != nil {
			return nil, nil, &configurationError{d.file, err}
		}
	}
	body = d.withSample(body)
	conf, err := configuration.Parse(body, d.deployment)
	if err != nil {
		return body, nil, &configurationError{d.file, err}
	}
	return body, conf, nil
}

// withSample returns body with the sample MCP server as the protected resource.
// It returns body unchanged if it lists protected resources, or if it does not
// declare the scope that the server needs. It adds text and changes nothing
// else, so that the check finds every fault of the file.
func (d document) withSample(body []byte) []byte {
	var doc struct {
		Scopes []struct {
			Name string `json:"name"`
		} `json:"scopes"`
		Resources json.RawMessage `json:"protected_resources"`
		Binding   json.RawMessage `json:"resource_binding"`
	}
	before, after, isObject := bytes.Cut(body, []byte("{"))
	if !isObject || json.Unmarshal(body, &doc) != nil || doc.Resources != nil {
		return body
	}
	var scopes []string
	for _, s := range doc.Scopes {
		if s.Name == ReadScope || s.Name == WriteScope {
			scopes = append(scopes, s.Name)
		}
	}
	if !slices.Contains(scopes, ReadScope) {
		return body
	}
	type object map[string]any
	sample := object{"resource": d.mcp, "name": sampleName, "scopes": scopes}
	binding := ""
	if d.deployment.Mode == broker.ModeBrokered {
		secret := sha256.Sum256([]byte(IntrospectionSecret))
		sample["introspection_clients"] = []object{{"id": IntrospectionID, "secret_sha256": hex.EncodeToString(secret[:])}}
		if doc.Binding == nil {
			binding = `"resource_binding":true,` // the local Cognito can
		}
	}
	resources, _ := json.Marshal([]object{sample}) // strings only
	return fmt.Appendf(nil, `%s{%s"protected_resources":%s,%s`, before, binding, resources, after)
}
