package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
)

type resourceCmd struct {
	Add        resourceAddCmd        `cmd:"" help:"Add a protected resource to the newest document, and store it as config apply does."`
	List       resourceListCmd       `cmd:"" help:"List the protected resources of the configuration in force."`
	Credential resourceCredentialCmd `cmd:"" help:"Make a secret with which an MCP server can introspect tokens, and the entry of introspection_clients with its hash. Stores nothing."`
	Remove     resourceRemoveCmd     `cmd:"" help:"Remove a protected resource from the newest document, and store it as config apply does."`
}

type resourceAddCmd struct {
	URL      string            `arg:"" name:"url" help:"The resource identifier (RFC 8707), as clients send it, such as https://mcp.example.com/mcp."`
	Scope    []string          `required:"" placeholder:"SCOPE" help:"A scope of the resource. Can be repeated."`
	Name     string            `placeholder:"TEXT" help:"Name of the resource on the consent page."`
	Describe map[string]string `mapsep:"none" placeholder:"SCOPE=TEXT" help:"Declare a scope that the document does not declare yet, with its text on the consent page. Can be repeated."`
	applyFlags
}

func (c *resourceAddCmd) Run(ctx context.Context, op *operator) error {
	w, err := c.open(ctx, op)
	if err != nil {
		return err
	}
	body, conf, err := w.newestDocument(ctx)
	if err != nil {
		return err
	}
	same := func(r broker.Resource) bool { return broker.SameResource(r.URL, c.URL) }
	if i := slices.IndexFunc(conf.Resources, same); i >= 0 {
		r := conf.Resources[i]
		if r.Name != c.Name || !slices.Equal(slices.Sorted(slices.Values(r.Scopes)), slices.Sorted(slices.Values(c.Scope))) {
			return fmt.Errorf("%s is there already, with another name or other scopes: %s. To change it, remove it first, or use config show and config apply", r.URL, strings.Join(r.Scopes, " "))
		}
		return w.apply(ctx, "the document", body, 0) // a repeated run finishes what the first one began
	}
	edit, err := editDocument(body)
	if err != nil {
		return err
	}
	if err := c.declare(edit, conf); err != nil {
		return err
	}
	members := []member{{"resource", c.URL}, {"scopes", c.Scope}}
	if c.Name != "" {
		members = slices.Insert(members, 1, member{"name", c.Name})
	}
	element, err := objectText(members...)
	if err != nil {
		return err
	}
	if err := edit.add("protected_resources", "scopes", element); err != nil {
		return err
	}
	name := "the document with " + c.URL
	after, err := parse(name, edit.text(), w.stored.deployment)
	if err != nil {
		return err
	}
	c.warn(op, after)
	return w.apply(ctx, name, edit.text(), 0)
}

// declare adds the scopes that the document does not declare yet.
func (c *resourceAddCmd) declare(edit *documentEdit, conf *configuration.Configuration) error {
	declared := conf.ScopeNames()
	for _, scope := range slices.Sorted(maps.Keys(c.Describe)) {
		switch {
		case slices.Contains(declared, scope):
			return usagef("--describe: the document declares %s already; its description is changed with config show and config apply", scope)
		case !slices.Contains(c.Scope, scope):
			return usagef("--describe: %s is not one of the scopes that --scope names", scope)
		}
		element, err := objectText(member{"name", scope}, member{"description", c.Describe[scope]})
		if err != nil {
			return err
		}
		if err := edit.add("scopes", "version", element); err != nil {
			return err
		}
	}
	var undeclared []string
	for _, scope := range c.Scope {
		if _, described := c.Describe[scope]; !described && !slices.Contains(declared, scope) {
			undeclared = append(undeclared, scope)
		}
	}
	if len(undeclared) == 0 {
		return nil
	}
	return usagef("the document does not declare %s. Declare it with its text for users: --describe '%s=Read your files'\nThe document declares: %s",
		strings.Join(undeclared, ", "), undeclared[0], strings.Join(declared, " "))
}

// warn says which profiles do not allow the scopes of the resource.
func (c *resourceAddCmd) warn(op *operator, after *configuration.Configuration) {
	for _, name := range after.Policy.Profiles() {
		p, _ := after.Policy.Profile(name)
		lacks := slices.DeleteFunc(slices.Clone(c.Scope), func(s string) bool { return slices.Contains(p.Scopes(), s) })
		if len(lacks) > 0 {
			op.infof("profile %s names its scopes and does not allow %s: its clients do not get them at this resource", name, strings.Join(lacks, ", "))
		}
	}
}

type resourceRemoveCmd struct {
	URL string `arg:"" name:"url" help:"The resource identifier, see resource list."`
	applyFlags
}

func (c *resourceRemoveCmd) Run(ctx context.Context, op *operator) error {
	w, err := c.open(ctx, op)
	if err != nil {
		return err
	}
	body, conf, err := w.newestDocument(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(conf.Resources, func(r broker.Resource) bool { return broker.SameResource(r.URL, c.URL) })
	if i < 0 {
		op.infof("version %d has no resource %s; dcrctl resource list lists them", w.newest().Number, c.URL)
		return w.apply(ctx, "the document", body, 0) // a repeated run finishes what the first one began
	}
	edit, err := editDocument(body)
	if err != nil {
		return err
	}
	if err := edit.remove("protected_resources", i); err != nil {
		return err
	}
	var unused []string
	for _, scope := range conf.Resources[i].Scopes {
		used := func(r broker.Resource) bool {
			return r.URL != conf.Resources[i].URL && slices.Contains(r.Scopes, scope)
		}
		if !slices.ContainsFunc(conf.Resources, used) {
			unused = append(unused, scope)
		}
	}
	if len(unused) > 0 {
		op.infof("no other resource has %s; the document still declares it, and the user pool keeps it", strings.Join(unused, ", "))
	}
	return w.apply(ctx, "the document without "+c.URL, edit.text(), 0)
}

// newestDocument returns the newest document, which is to be changed.
func (w *writer) newestDocument(ctx context.Context) ([]byte, *configuration.Configuration, error) {
	newest := w.newest()
	if newest.Number == 0 {
		return nil, nil, configuration.ErrNone
	}
	conf, err := configuration.Load(ctx, w.reader, newest, w.stored.deployment)
	if e, bad := errors.AsType[*configuration.VersionError](err); bad {
		return nil, nil, fmt.Errorf("the newest version cannot be changed here: %w; dcrctl config rollback restores an older one", e)
	}
	if err != nil {
		return nil, nil, err
	}
	body, err := configuration.ReadDocument(ctx, w.reader, newest)
	return body, conf, err
}

type resourceListCmd struct{}

// resourceRow is a protected resource as JSON.
type resourceRow struct {
	Resource             string   `json:"resource"`
	Name                 string   `json:"name,omitempty"`
	Scopes               []string `json:"scopes"`
	IntrospectionClients []string `json:"introspection_clients"`
}

func (c *resourceListCmd) Run(ctx context.Context, op *operator) error {
	conf, _, err := modeFlag{}.configuration(ctx, op, "")
	if err != nil {
		return err
	}
	var rows []resourceRow
	for _, r := range conf.Resources {
		row := resourceRow{r.URL, r.Name, append([]string{}, r.Scopes...), []string{}}
		for _, i := range conf.IntrospectionClients {
			if i.Resource == r.URL {
				row.IntrospectionClients = append(row.IntrospectionClients, i.ID)
			}
		}
		rows = append(rows, row)
	}
	return emit(op, rows, "The configuration has no protected resources.", []column[resourceRow]{
		{"RESOURCE", func(r resourceRow) string { return r.Resource }},
		{"NAME", func(r resourceRow) string { return r.Name }},
		{"INTROSPECTION", func(r resourceRow) string { return strings.Join(r.IntrospectionClients, " ") }},
		{"SCOPES", func(r resourceRow) string { return strings.Join(r.Scopes, " ") }},
	})
}
