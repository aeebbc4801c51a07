package records_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
)

// watched is a table that keeps the size of the last item written.
type watched struct {
	records.Table
	size int
}

func (w *watched) Write(ctx context.Context, op string, x records.Write) (records.Outcome, error) {
	x.Return = true
	out, err := w.Table.Write(ctx, op, x)
	if x.Put != nil {
		out.Item = x.Put
	}
	w.size = out.Item.Size()
	return out, err
}

// A refresh writes the grant and not its tokens, which costs one write unit if
// the grant has at most 1 KB.
func TestAGrantFitsAWriteUnit(t *testing.T) {
	now := time.Date(2030, time.March, 1, 12, 0, 0, 0, time.UTC)
	table := &watched{Table: memory.NewTable(func() time.Time { return now })}
	s := records.New(table, func() time.Time { return now })
	ring, err := seal.Parse(seal.Generate())
	if err != nil {
		t.Fatal(err)
	}
	uuid := "5c5f1b1e-70f1-70b6-9a8e-2f0a7f2f9a11"
	g := &broker.Grant{
		ID: credential.NewID(), ClientID: broker.ClientIDPrefix + credential.NewID(), Generation: credential.NewID(),
		User:   broker.User{Sub: uuid, Username: "examplecorpokta_firstname.lastname@subsidiary.example.com", Email: "firstname.lastname@subsidiary.example.com", IdentityProviders: []string{"ExampleCorpOkta"}},
		Scopes: []string{"notes/read", "notes/write"}, Resource: "https://mcp.example.com/mcp", AppClient: broker.DedicatedAppClientKey(broker.ClientIDPrefix+credential.NewID(), credential.NewID()), ConsentKey: strings.Repeat("c", 64),
		CognitoID: strings.Repeat("a", 26), TokensID: credential.NewID(), CreatedAt: now, ExpiresAt: now.AddDate(0, 0, 30),
	}
	if err := s.CreateGrant(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	tok := credential.NewRefreshToken(g.ID, ring)
	g.CodeUsed, g.Live = true, []credential.Hash{tok.Hash()}
	for i := range 20 { // so that every write id is stored
		if err := s.ReplaceGrant(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		next := credential.NewRefreshToken(g.ID, ring)
		g.Rotated(broker.VerdictRotate, tok, next.Hash(), now.Add(time.Duration(i)*time.Hour))
		tok = next
	}
	if table.size > 1024 {
		t.Errorf("the grant has %d bytes, want at most 1024", table.size)
	}
}
