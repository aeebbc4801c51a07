package configuration_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/pkg/strict"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// acceptedDocuments returns the documents of version 1 that every release must
// accept, by mode.
func acceptedDocuments(t *testing.T) map[*broker.Deployment][]string {
	t.Helper()
	documents := make(map[*broker.Deployment][]string)
	for _, d := range []*broker.Deployment{&brokered, &direct} {
		files, err := filepath.Glob(filepath.Join("testdata", "accepted", string(d.Mode), "*.json"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no documents of %s mode: %v", d.Mode, err)
		}
		documents[d] = files
	}
	return documents
}

// An operator has stored documents like these. If a release refused one of them,
// its functions would have no configuration after the update. So these files
// are never changed: a stricter check needs a new version of the document.
func TestAcceptedDocumentsStayAccepted(t *testing.T) {
	for d, files := range acceptedDocuments(t) {
		for _, file := range files {
			if _, err := configuration.Parse(must.ReadFile(t, file), *d); err != nil {
				t.Errorf("%s is refused:\n%v", file, err)
			}
		}
	}
}

// The accepted documents have each member, each choice and the ends of each
// range, so that no check of them can become stricter unseen.
func TestAcceptedDocumentsUseEverything(t *testing.T) {
	used := make(map[string]bool) // PATH, and PATH=VALUE for a scalar
	for _, files := range acceptedDocuments(t) {
		for _, file := range files {
			var v any
			if err := json.Unmarshal(must.ReadFile(t, file), &v); err != nil {
				t.Fatal(err)
			}
			collect("", v, used)
		}
	}
	need := func(path string, values ...string) {
		for _, value := range values {
			if !used[path+"="+value] {
				t.Errorf("no accepted document has %s with %s", path, value)
			}
		}
	}
	var members func(path string, o reflect.Type, tag reflect.StructTag)
	members = func(path string, o reflect.Type, tag reflect.StructTag) {
		if !used[path] {
			t.Errorf("no accepted document has %s", path)
		}
		if c, ok := reflect.Zero(o).Interface().(strict.Choice); ok {
			need(path, c.Choices()...)
		}
		if low, high, ok := strings.Cut(tag.Get("range"), ".."); ok {
			need(path, low, high)
		}
		switch o.Kind() {
		case reflect.Bool:
			need(path, "true", "false")
		case reflect.Pointer:
			members(path, o.Elem(), "")
		case reflect.Slice:
			members(path+"[]", o.Elem(), "")
		case reflect.Map:
			members(path+".*", o.Elem(), "")
		case reflect.Struct:
			for i := range o.NumField() {
				field := o.Field(i)
				if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
					members(strings.TrimPrefix(path+"."+name, "."), field.Type, field.Tag)
				} else {
					members(path, field.Type, "")
				}
			}
		}
	}
	members("", reflect.TypeFor[configuration.Document](), "")
	need("profiles.*.redirect_uris.presets[]", policy.Presets()...)
	need("profiles.*.grant_types[]", dcr.GrantTypes()...)
	need("profiles.*.token_endpoint_auth_methods[]", dcr.AuthNone, dcr.AuthSecretBasic, dcr.AuthSecretPost)
	need("grant_types_supported[]", dcr.GrantTypes()...)
	need("token_issuers[].algorithms[]", policy.Algorithms()...)
	need("statement_issuers[].algorithms[]", policy.Algorithms()...)
	need("open_registration", "<nil>")
}

// collect adds the paths of v to used. The members of profiles and of claims
// have the name *.
func collect(path string, v any, used map[string]bool) {
	used[path] = true
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if path == "profiles" || strings.HasSuffix(path, ".claims") {
				name = "*"
			}
			collect(strings.TrimPrefix(path+"."+name, "."), member, used)
		}
	case []any:
		for _, element := range v {
			collect(path+"[]", element, used)
		}
	case float64:
		used[path+"="+strconv.FormatFloat(v, 'f', -1, 64)] = true
	default:
		used[path+"="+fmt.Sprint(v)] = true
	}
}
