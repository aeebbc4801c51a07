package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/dcr-broker/dcr-broker/config"
	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configure"
)

// document returns the configuration of every broker here: the example that
// ships, with an MCP server.
func document() ([]byte, error) {
	var doc map[string]any
	if err := json.Unmarshal(config.Example(), &doc); err != nil {
		return nil, err
	}
	secret := sha256.Sum256([]byte("example-introspection-secret"))
	doc["branding"] = map[string]any{"name": "Example Notes"}
	doc["protected_resources"] = []any{map[string]any{
		"resource": "https://mcp.example.com/mcp", "name": "Example MCP server", "scopes": []string{"mcp/read"},
		"introspection_clients": []any{map[string]string{"id": "notes", "secret_sha256": hex.EncodeToString(secret[:])}},
	}}
	return json.Marshal(doc)
}

// inForce returns the function that returns the configuration for the deployment
// that c describes.
func inForce(c *environment.Environment) (func(context.Context) (*configuration.Configuration, error), error) {
	body, err := document()
	if err != nil {
		return nil, err
	}
	conf, err := configuration.Parse(body, c.Deployment())
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*configuration.Configuration, error) { return conf, nil }, nil
}

// configured returns a handler of DynamoDB's GetItem, on a table in memory with
// the configuration for the deployment that c describes.
func configured(c *environment.Environment) (http.Handler, error) {
	body, err := document()
	if err != nil {
		return nil, err
	}
	table := memory.NewTable(time.Now)
	writer, err := configure.New(configure.Config{
		Store: records.New(table, time.Now).Configuration(), Deployment: c.Deployment(), Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	if _, err := writer.Apply(context.Background(), body, "bench", 0); err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		var in struct{ Key map[string]struct{ S string } }
		if err == nil {
			err = json.Unmarshal(text, &in)
		}
		if err != nil || r.Header.Get("X-Amz-Target") != "DynamoDB_20120810.GetItem" {
			http.Error(w, "{}", http.StatusBadRequest)
			return
		}
		item, err := table.Get(r.Context(), "", in.Key[records.ColumnKey].S)
		if err != nil {
			http.Error(w, "{}", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		json.NewEncoder(w).Encode(map[string]any{"Item": attributes(item)})
	}), nil
}

// attributes returns an item as DynamoDB writes it. It leaves out sets, which a
// configuration does not have.
func attributes(item records.Item) map[string]map[string]any {
	all := make(map[string]map[string]any)
	for name, v := range item {
		switch v := v.(type) {
		case string:
			all[name] = map[string]any{"S": v}
		case int64:
			all[name] = map[string]any{"N": strconv.FormatInt(v, 10)}
		case []byte:
			all[name] = map[string]any{"B": v}
		}
	}
	return all
}
