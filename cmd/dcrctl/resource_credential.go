package main

import (
	"fmt"
	"regexp"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

type resourceCredentialCmd struct {
	ID string `arg:"" name:"id" help:"Client id of the MCP server: 1 to 128 letters, digits, '-' and '_'."`
}

// credentialRow is a new introspection client as JSON.
type credentialRow struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
	Hash   string `json:"secret_sha256"`
}

var introspectionID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

func (c *resourceCredentialCmd) Run(op *operator) error {
	if !introspectionID.MatchString(c.ID) {
		return usagef("%q is not an id: 1 to 128 letters, digits, '-' and '_'", c.ID)
	}
	secret := credential.NewClientSecret()
	row := credentialRow{c.ID, secret.Reveal(), secret.Hash().String()}
	if op.json {
		return op.writeJSON([]credentialRow{row})
	}
	element, err := objectText(member{"id", row.ID}, member{"secret_sha256", row.Hash})
	if err != nil {
		return err
	}
	fmt.Fprintln(op.out, row.Secret)
	op.infof("this is the only time the secret is shown; nothing was stored. Add to introspection_clients of the protected resource:\n%s", element)
	return nil
}
