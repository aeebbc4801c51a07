package environment

import "github.com/dcr-broker/dcr-broker/pkg/broker"

// Metadata reads what the metadata function needs. getenv is os.Getenv or a
// function like it. The error lists every fault, one to a line.
func Metadata(getenv func(string) string) (*Environment, error) {
	return load(getenv, server, pool, storage)
}

// Token reads what the token function needs.
func Token(getenv func(string) string) (*Environment, error) {
	return load(getenv, server, pool, storage, ifBrokered(keys, provisionFunction))
}

// Registration reads what the register function needs.
func Registration(getenv func(string) string) (*Environment, error) {
	return load(getenv, server, pool, storage, ifDirect(appClients), ifBrokered(keys))
}

// Authorize reads what the authorize function needs. Direct mode has no such
// function.
func Authorize(getenv func(string) string) (*Environment, error) {
	return load(getenv, server, pool, storage, requireBrokered("authorize"), ifBrokered(keys, provisionFunction))
}

// Provision reads what the provision function needs. Direct mode has no such
// function.
func Provision(getenv func(string) string) (*Environment, error) {
	return load(getenv, server, pool, storage, requireBrokered("provision"), appClients, ifBrokered(keys))
}

// AppClients reads what the janitor needs, and an operator for work on app
// clients.
func AppClients(getenv func(string) string) (*Environment, error) {
	return load(getenv, server, pool, storage, appClients, ifBrokered(keys))
}

// All reads every setting, for a process that runs all functions.
func All(getenv func(string) string) (*Environment, error) {
	return load(getenv, server, pool, storage, appClients, ifBrokered(keys, provisionFunction))
}

// Operator reads what dcrctl needs for its work on the table.
func Operator(getenv func(string) string) (*Environment, error) {
	return load(getenv, region, mode, storage)
}

// Inventory reads what is needed to list or remove the app clients and records
// of a deployment, even after its functions were deleted: the user pool, the
// mark of its app clients, and the table if TABLE_NAME is set. It does not
// check the other variables.
func Inventory(getenv func(string) string) (*Environment, error) {
	parts := []part{unchecked, region, userPoolID}
	if getenv("TABLE_NAME") != "" {
		parts = append(parts, storage)
	}
	return load(getenv, append(parts, appClients)...)
}

// A part reads the settings of one part of Config. Parts run in order: one may
// need what an earlier one has read.
type part func(e *env, c *Environment)

func load(getenv func(string) string, parts ...part) (*Environment, error) {
	e, c := &env{getenv: getenv}, &Environment{}
	for _, read := range parts {
		read(e, c)
	}
	return c, e.err()
}

func ifBrokered(parts ...part) part { return ifMode(broker.ModeBrokered, parts) }

func ifDirect(parts ...part) part { return ifMode(broker.ModeDirect, parts) }

func ifMode(m broker.Mode, parts []part) part {
	return func(e *env, c *Environment) {
		if c.Mode != m {
			return
		}
		for _, read := range parts {
			read(e, c)
		}
	}
}

// requireBrokered refuses direct mode, which does not have the function.
func requireBrokered(function string) part {
	return func(e *env, c *Environment) {
		if c.Mode != broker.ModeBrokered {
			e.fault("AUTHORIZATION", "the %s function is for brokered only", function)
		}
	}
}

// unchecked reads variables that are only needed in messages and copies.
func unchecked(e *env, c *Environment) {
	c.Issuer, c.Keys = e.getenv("ISSUER"), e.getenv("KEYS")
}
