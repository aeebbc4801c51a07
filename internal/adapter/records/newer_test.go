package records_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// A newer program has written members and columns that this program does not
// know. They are still there after this program has changed the record.
func TestWhatANewerProgramWroteIsKept(t *testing.T) {
	now := time.Date(2030, time.March, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	expires := now.Add(time.Hour)
	table := memory.NewTable(clock)
	s := records.New(table, clock)
	hash := credential.Presented("x").Hash()
	registration := &broker.Registration{
		ClientID: "c", Generation: "g", Metadata: dcr.ClientMetadata{RedirectURIs: []string{"https://client.example/cb"}},
		AccessTokens: broker.AccessTokens{Current: hash}, CreatedBy: "\xff",
	}
	for _, tt := range []struct {
		name, key string
		create    func() error
		// nested are the members of the body that are objects themselves.
		nested []string
		// change reads the record, changes it and stores it.
		change func() error
	}{
		{"registration", "registration#c", func() error { return s.CreateRegistration(t.Context(), registration) },
			[]string{"metadata", "access_tokens"}, func() error {
				r, err := s.Registration(t.Context(), "c")
				if err != nil {
					return err
				}
				r.Profile, r.AccessTokens.Next, r.Metadata.ClientName = "changed", hash, "changed"
				return s.ReplaceRegistration(t.Context(), r.Clone())
			}},
		{"app client", "appclient#a", func() error {
			return s.CreateAppClient(t.Context(), &broker.AppClient{Key: "a", Use: broker.Use{Token: "t"}})
		},
			[]string{"use"}, func() error {
				a, err := s.AppClient(t.Context(), "a")
				if err != nil {
					return err
				}
				a.Marker = "changed"
				return s.ReplaceAppClient(t.Context(), a.Clone())
			}},
		{"intent", "appclient#registering/c", func() error {
			return broker.RecordIntent(t.Context(), s, &broker.Intent{ClientID: "c", Generation: "g"})
		}, nil, func() error {
			i, err := broker.IntentOf(t.Context(), s, "c")
			if err != nil {
				return err
			}
			return i.Cancel(t.Context(), s, now)
		}},
		{"transaction", "transaction#" + hash.String(), func() error {
			return s.CreateTransaction(t.Context(), &broker.Transaction{Key: hash, State: "\xfe", User: broker.User{Sub: "u"}, ExpiresAt: expires})
		}, []string{"user"}, func() error {
			tx, err := s.Transaction(t.Context(), hash)
			if err != nil {
				return err
			}
			tx.Nonce = "changed"
			return s.ReplaceTransaction(t.Context(), tx.Clone())
		}},
		{"grant", "grant#g", func() error {
			return s.CreateGrant(t.Context(), &broker.Grant{ID: "g", User: broker.User{Sub: "u"}, ExpiresAt: expires})
		}, []string{"user"}, func() error {
			g, err := s.Grant(t.Context(), "g")
			if err != nil {
				return err
			}
			g.Spent = hash
			return s.ReplaceGrant(t.Context(), g.Clone())
		}},
		{"tokens", "tokens#t", func() error { return s.CreateTokens(t.Context(), &broker.SealedTokens{ID: "t", ExpiresAt: expires}) },
			[]string{"code"}, func() error {
				x, err := s.Tokens(t.Context(), "t")
				if err != nil {
					return err
				}
				x.Sealed = []byte("changed")
				return s.ReplaceTokens(t.Context(), x.Clone())
			}},
		{"consent", "consent#k", func() error {
			return s.PutConsent(t.Context(), &broker.Consent{Key: "k", Sub: "u", ExpiresAt: expires})
		},
			nil, func() error {
				c, err := s.Consent(t.Context(), "k")
				if err != nil {
					return err
				}
				c.Scopes = []string{"changed"}
				return s.PutConsent(t.Context(), c.Clone())
			}},
		{"machine token", "machine#m", func() error {
			return s.PutMachineToken(t.Context(), &broker.MachineToken{ID: "m", ExpiresAt: expires})
		},
			nil, func() error {
				m, err := s.MachineToken(t.Context(), "m")
				if err != nil {
					return err
				}
				m.Resource = "changed"
				return s.PutMachineToken(t.Context(), m.Clone())
			}},
		{"owner of the table", "deployment#", func() error { return s.SetTableOwner(t.Context(), &broker.TableOwner{ID: "d"}) }, nil, func() error {
			d, err := s.TableOwner(t.Context())
			if err != nil {
				return err
			}
			d.Store = "changed"
			return s.SetTableOwner(t.Context(), d)
		}},
		{"initial access token", "iat#t", func() error {
			return s.CreateInitialAccessToken(t.Context(), &credential.InitialAccessToken{ID: "t", MaxUses: 2})
		}, nil, func() error { return s.UseInitialAccessToken(t.Context(), "t", "c") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.create(); err != nil {
				t.Fatal(err)
			}
			edit(t, table, tt.key, func(body map[string]any) {
				body["newer"] = map[string]any{"list": []any{"\u0000x", 1.5, nil}}
				for _, name := range tt.nested {
					body[name].(map[string]any)["newer"] = "here too"
				}
			})
			before := stored(t, table, tt.key)
			if err := tt.change(); err != nil {
				t.Fatal(err)
			}
			after := stored(t, table, tt.key)
			if before == after && tt.name != "intent" && tt.name != "tokens" && tt.name != "initial access token" {
				t.Error("the body is unchanged")
			}
			want := 1 + len(tt.nested)
			if n := strings.Count(after, `"newer"`); n != want {
				t.Errorf("members that were not known: %d are left, want %d, in %s", n, want, after)
			}
			if !strings.Contains(after, `"newer":{"list":["\u0000x",1.5,null]}`) {
				t.Errorf("the member newer has changed: %s", after)
			}
		})
	}
}

// edit changes the body of an item, and adds a column.
func edit(t *testing.T, table records.Table, key string, change func(body map[string]any)) {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal([]byte(stored(t, table, key)), &body); err != nil {
		t.Fatal(err)
	}
	change(body)
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	write := records.Write{Key: key, Change: &records.Change{Set: records.Item{"body": string(text), "newer_column": "x"}}}
	if _, err := table.Write(t.Context(), "edit", write); err != nil {
		t.Fatal(err)
	}
}

// stored returns the body of an item.
func stored(t *testing.T, table records.Table, key string) string {
	t.Helper()
	it, err := table.Get(t.Context(), "read", key)
	if err != nil || it == nil {
		t.Fatalf("item %s: %v, %v", key, it, err)
	}
	return it["body"].(string)
}
