package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/dcr-broker/dcr-broker/internal/tool/devstack"
)

type surroundingsCmd struct {
	Cognito     string `default:"localhost:9229" env:"DCR_DEV_COGNITO" help:"Address of the local Cognito."`
	BackChannel string `help:"Another address of the local Cognito, for functions that cannot reach --cognito."`
	MCP         string `name:"mcp" default:"localhost:8090" env:"DCR_DEV_MCP" help:"Address of the sample MCP server."`
	Host        string `required:"" help:"Name or address of this machine for the functions."`
	Issuer      string `required:"" help:"Origin of the broker."`
	AWS         string `name:"aws" required:"" help:"Origin of DynamoDB and Secrets Manager."`
	Lambda      string `required:"" help:"Origin of the Lambda API for the functions."`
	Provision   string `required:"" help:"Name there of the function that creates app clients."`
	Config      string `placeholder:"FILE" help:"Configuration of the broker, which is stored in the table. Default: config/broker.json, with the sample MCP server."`
	Out         string `required:"" help:"Directory for functions.json, for sam's --env-vars, and client.sh, for a shell that tests the broker. Both are written when everything runs."`
}

// Run serves until ctx ends.
func (c *surroundingsCmd) Run(ctx context.Context) error {
	s, err := devstack.Surround(ctx, devstack.SurroundingsOptions{
		Cognito: c.Cognito, BackChannel: c.BackChannel, MCP: c.MCP, Host: c.Host, Issuer: c.Issuer,
		AWS: c.AWS, Lambda: c.Lambda, Provision: c.Provision, Getenv: os.Getenv, Configuration: c.Config,
		Log: newLog(os.Stderr, slog.LevelWarn),
	})
	if err != nil {
		return err
	}
	if err := c.write(s); err != nil {
		return errors.Join(err, s.Close())
	}
	<-ctx.Done()
	return s.Close()
}

// write writes client.sh last and atomically: a script that waits for this file
// can start as soon as it exists.
func (c *surroundingsCmd) write(s *devstack.Surroundings) error {
	// sam passes these to every function whose template has the variable.
	functions, err := json.MarshalIndent(map[string]any{"Parameters": s.Environment}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.Out, "functions.json"), functions, 0o600); err != nil {
		return err
	}
	var client strings.Builder
	for _, v := range [][2]string{
		{"E2E_MCP_URL", s.MCP},
		{"E2E_USERNAME", devstack.Username},
		{"E2E_PASSWORD", devstack.Password},
		{"E2E_INITIAL_ACCESS_TOKEN", s.InitialAccessToken},
		{"E2E_ONE_USE_TOKEN", s.OneUseToken},
		{"E2E_INTROSPECTION_ID", devstack.IntrospectionID},
		{"E2E_INTROSPECTION_SECRET", devstack.IntrospectionSecret},
	} {
		fmt.Fprintf(&client, "export %s='%s'\n", v[0], v[1]) // no value has a quote
	}
	written := filepath.Join(c.Out, "client.new")
	if err := os.WriteFile(written, []byte(client.String()), 0o600); err != nil {
		return err
	}
	return os.Rename(written, filepath.Join(c.Out, "client.sh"))
}
