package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dcr-broker/dcr-broker/internal/adapter/dynamo"
	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/contract"
	"github.com/dcr-broker/dcr-broker/test/dynamodbtest"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

func TestGrantStore(t *testing.T) {
	e := dynamodbtest.Endpoint(t)
	for _, way := range []struct {
		name string
		wrap func(post) post
	}{
		{"each request sent once", once},
		{"each request sent twice", twice},
		{"each first reply lost", firstReplyLost},
	} {
		t.Run(way.name, func(t *testing.T) {
			table := newTable(t, e)
			contract.TestGrantStore(t, func(_ *testing.T, now func() time.Time) broker.GrantStore {
				return dynamo.New(newClient(e, transport(way.wrap(send))), table, now)
			})
		})
	}
}

// grantTable is a table with two stores: one for other requests, and one whose
// first request loses its reply; other requests write before the SDK repeats
// it.
type grantTable struct {
	name    string
	clock   *fake.Clock
	client  *dynamodb.Client
	others  *records.Store
	between func(others func()) *records.Store
}

func newGrantTable(t *testing.T) *grantTable {
	t.Helper()
	e := dynamodbtest.Endpoint(t)
	g := &grantTable{name: newTable(t, e), clock: fake.NewClock(), client: newClient(e, transport(send))}
	g.others = dynamo.New(g.client, g.name, g.clock.Now)
	g.between = func(others func()) *records.Store {
		lost := false
		return dynamo.New(newClient(e, transport(func(r *http.Request, body []byte) (*http.Response, error) {
			res, err := send(r, body)
			if lost || err != nil {
				return res, err
			}
			lost = true
			others()
			return nil, errReset
		})), g.name, g.clock.Now)
	}
	return g
}

func (g *grantTable) transaction() *broker.Transaction {
	return &broker.Transaction{
		Key: credential.NewClientSecret().Hash(), Step: broker.StepStarted, ClientID: "c", Generation: "g",
		RedirectURI: "https://client.example/cb", ExpiresAt: g.clock.Second().Add(broker.TransactionLifetime),
	}
}

func (g *grantTable) grant() *broker.Grant {
	return &broker.Grant{ID: credential.NewID(), ClientID: "c", Generation: "g", ExpiresAt: g.clock.Second().Add(time.Hour)}
}

func try(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestStore_does_not_repeat_a_step_that_another_write_followed(t *testing.T) {
	g := newGrantTable(t)
	tx := g.transaction()
	try(t, g.others.CreateTransaction(t.Context(), tx))
	s := g.between(func() {
		// More writes than a record remembers, with another step.
		for range 10 {
			read, err := g.others.Transaction(t.Context(), tx.Key)
			try(t, err)
			try(t, g.others.ReplaceTransaction(t.Context(), read))
		}
		_, err := g.others.TakeStep(t.Context(), tx.Key, broker.StepRedeeming, broker.StepSignedIn)
		try(t, err)
	})
	got, err := s.TakeStep(t.Context(), tx.Key, broker.StepStarted, broker.StepRedeeming)
	if err != nil || got.Step != broker.StepSignedIn || got.Version != 13 {
		t.Errorf("take: got %+v and error %v, want version 13 at %s", got, err, broker.StepSignedIn)
	}
	if now, err := g.others.Transaction(t.Context(), tx.Key); err != nil || now.Version != 13 || now.Step != broker.StepSignedIn {
		t.Errorf("read: got %+v and error %v, want version 13 at %s", now, err, broker.StepSignedIn)
	}
}

func TestStore_does_not_take_a_step_of_another_request(t *testing.T) {
	g := newGrantTable(t)
	tx := g.transaction()
	try(t, g.others.CreateTransaction(t.Context(), tx))
	_, err := g.others.TakeStep(t.Context(), tx.Key, broker.StepStarted, broker.StepRedeeming)
	try(t, err)
	s := g.between(func() {})
	if _, err := s.TakeStep(t.Context(), tx.Key, broker.StepStarted, broker.StepRedeeming); !errors.Is(err, broker.ErrConflict) {
		t.Errorf("take a step that was taken: got error %v, want %v", err, broker.ErrConflict)
	}
}

// The step was taken in the last second of the transaction, and the reply was
// lost.
func TestStore_recognizes_its_own_step_after_the_transaction_expired(t *testing.T) {
	g := newGrantTable(t)
	tx := g.transaction()
	try(t, g.others.CreateTransaction(t.Context(), tx))
	s := g.between(func() { g.clock.Advance(broker.TransactionLifetime) })
	got, err := s.TakeStep(t.Context(), tx.Key, broker.StepStarted, broker.StepRedeeming)
	if err != nil || got.Step != broker.StepRedeeming {
		t.Errorf("take: got %+v and error %v, want it taken", got, err)
	}
}

func TestStore_does_not_repeat_a_replacement_that_another_write_followed(t *testing.T) {
	g := newGrantTable(t)
	for _, n := range []int{1, 7} {
		a := g.grant()
		try(t, g.others.CreateGrant(t.Context(), a))
		s := g.between(func() {
			for i := range n {
				read, err := g.others.Grant(t.Context(), a.ID)
				try(t, err)
				read.Resource = fmt.Sprint("others ", i)
				try(t, g.others.ReplaceGrant(t.Context(), read))
			}
		})
		a.Resource = "mine"
		if err := s.ReplaceGrant(t.Context(), a); err != nil || a.Version != 2 {
			t.Errorf("replace before %d others: got version %d and error %v, want 2", n, a.Version, err)
		}
		read, err := g.others.Grant(t.Context(), a.ID)
		if want := fmt.Sprint("others ", n-1); err != nil || read.Resource != want {
			t.Errorf("read after %d others: got %+v and error %v, want %q", n, read, err, want)
		}
	}
}

// The attribute that DynamoDB's TTL reads, and the attributes that a reader of
// the table sees: no code and no refresh token.
func TestStore_writes_attributes_of_grants(t *testing.T) {
	g := newGrantTable(t)
	expires := g.clock.Second().Add(time.Hour)
	ttl := fmt.Sprint(expires.Unix())
	tx := g.transaction()
	tx.ExpiresAt = expires
	try(t, g.others.CreateTransaction(t.Context(), tx))
	a := g.grant()
	ring, err := seal.Parse(seal.Generate())
	try(t, err)
	code, live, spent := credential.DerivedAuthorizationCode("secret", a.ID), credential.NewRefreshToken(a.ID, ring), credential.NewRefreshToken(a.ID, ring)
	a.ExpiresAt, a.EndedAt = expires, g.clock.Second()
	a.Live, a.Spent = []credential.Hash{live.Hash()}, spent.Hash()
	try(t, g.others.CreateGrant(t.Context(), a))
	try(t, g.others.PutConsent(t.Context(), &broker.Consent{Key: "k", ExpiresAt: expires}))
	try(t, g.others.CreateTokens(t.Context(), &broker.SealedTokens{
		ID: "k", Sealed: []byte("k1.\xff"), Code: broker.AuthorizationCode{Hash: code.Hash()}, ExpiresAt: expires,
	}))
	for _, key := range []string{"transaction#" + tx.Key.String(), "grant#" + a.ID, "tokens#k", "consent#k"} {
		out, err := g.client.GetItem(t.Context(), &dynamodb.GetItemInput{
			TableName: &g.name,
			Key:       map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: key}},
		})
		if err != nil || out.Item == nil {
			t.Fatalf("get %s: got %v and error %v", key, out, err)
		}
		for name, want := range map[string]types.AttributeValue{
			"schema":     &types.AttributeValueMemberN{Value: "1"},
			"ttl":        &types.AttributeValueMemberN{Value: ttl},
			"expires_at": &types.AttributeValueMemberN{Value: ttl},
		} {
			if got := describe(out.Item[name]); got != describe(want) {
				t.Errorf("%s: attribute %s: got %s, want %s", key, name, got, describe(want))
			}
		}
		all := describe(&types.AttributeValueMemberM{Value: out.Item})
		for _, secret := range []credential.Token{code, live, spent} {
			if strings.Contains(all, secret.Reveal()) {
				t.Errorf("%s: got %s, which holds a token", key, all)
			}
		}
	}
}

// describe returns an attribute value as text.
func describe(v types.AttributeValue) string {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return "S " + v.Value
	case *types.AttributeValueMemberN:
		return "N " + v.Value
	case *types.AttributeValueMemberBOOL:
		return fmt.Sprint("BOOL ", v.Value)
	case *types.AttributeValueMemberL:
		var all []string
		for _, e := range v.Value {
			all = append(all, describe(e))
		}
		return fmt.Sprint("L ", all)
	case *types.AttributeValueMemberM:
		var all []string
		for name, e := range v.Value {
			all = append(all, name+": "+describe(e))
		}
		slices.Sort(all)
		return fmt.Sprint("M ", all)
	}
	return fmt.Sprintf("%T", v)
}

func TestStore_refuses_grants_of_an_unknown_form(t *testing.T) {
	g := newGrantTable(t)
	str := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
	for _, tt := range []struct {
		attribute string
		value     types.AttributeValue // nil removes it
		want      string
	}{
		{"schema", &types.AttributeValueMemberN{Value: "2"}, "column schema: is 2"},
		{"version", nil, "column version: is missing"},
		{"body", nil, "column body: is missing"}, // must not be read as a grant that is not used
		{"body", &types.AttributeValueMemberBOOL{Value: true}, "column body: is missing or of another type"},
		{"body", str(`{"spent":"abc"}`), "not a SHA-256"},
		{"body", str(`{"live":"abc"}`), "column body: json"},
		{"body", str(`{"live":["abc"]}`), "not a SHA-256"},
		{"body", str(`{"scopes":[1]}`), "column body: json"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			a := g.grant()
			try(t, g.others.CreateGrant(t.Context(), a))
			in := &dynamodb.UpdateItemInput{
				TableName:                &g.name,
				Key:                      map[string]types.AttributeValue{"pk": str("grant#" + a.ID)},
				UpdateExpression:         aws.String("REMOVE #a"),
				ExpressionAttributeNames: map[string]string{"#a": tt.attribute},
			}
			if tt.value != nil {
				in.UpdateExpression = aws.String("SET #a = :v")
				in.ExpressionAttributeValues = map[string]types.AttributeValue{":v": tt.value}
			}
			_, err := g.client.UpdateItem(t.Context(), in)
			try(t, err)
			got, err := g.others.Grant(t.Context(), a.ID)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), a.ID) {
				t.Errorf("read: got %+v and error %v, want an error with %q about %s", got, err, tt.want, a.ID)
			}
		})
	}
}

// grantCalls calls all methods of a broker.GrantStore.
func grantCalls(ctx context.Context, s broker.GrantStore) map[string]error {
	key := credential.NewClientSecret().Hash()
	_, transaction := s.Transaction(ctx, key)
	_, left := s.LeftTransaction(ctx, key.String())
	_, step := s.TakeStep(ctx, key, broker.StepStarted, broker.StepRedeeming)
	_, read := s.Grant(ctx, "g")
	_, consent := s.Consent(ctx, "c")
	_, tokens := s.Tokens(ctx, "t")
	errs := map[string]error{
		"CreateTransaction":  s.CreateTransaction(ctx, &broker.Transaction{Key: key}),
		"Transaction":        transaction,
		"TakeStep":           step,
		"ReplaceTransaction": s.ReplaceTransaction(ctx, &broker.Transaction{Key: key, Version: 1}),
		"DeleteTransaction":  s.DeleteTransaction(ctx, key),
		"LeftTransaction":    left,
		"CreateGrant":        s.CreateGrant(ctx, &broker.Grant{ID: "g"}),
		"Grant":              read,
		"ReplaceGrant":       s.ReplaceGrant(ctx, &broker.Grant{ID: "g", Version: 1}),
		"PutConsent":         s.PutConsent(ctx, &broker.Consent{Key: "c"}),
		"Consent":            consent,
		"DeleteConsent":      s.DeleteConsent(ctx, "c"),
		"CreateTokens":       s.CreateTokens(ctx, &broker.SealedTokens{ID: "t"}),
		"Tokens":             tokens,
		"ReplaceTokens":      s.ReplaceTokens(ctx, &broker.SealedTokens{ID: "t", Version: 1}),
		"DeleteTokens":       s.DeleteTokens(ctx, "t", 1),
	}
	for _, errs["ListGrants"] = range s.ListGrants(ctx) {
	}
	for _, errs["GrantsOf"] = range s.GrantsOf(ctx, "c") {
	}
	for _, errs["OfUser"] = range s.OfUser(ctx, "u") {
	}
	return errs
}

func TestGrantStore_returns_Unavailable_when_DynamoDB_throttles(t *testing.T) {
	s := fakeDynamoDB(t, http.StatusBadRequest, "ThrottlingException")
	for method, err := range grantCalls(t.Context(), s) {
		if e, ok := errors.AsType[*dcr.Error](err); !ok || e.Code != dcr.Unavailable || e.RetryAfter != time.Second {
			t.Errorf("%s: got %v, want %s after a second", method, err, dcr.Unavailable)
		}
	}
}

func TestGrantStore_keeps_other_errors_from_clients(t *testing.T) {
	for code, status := range map[string]int{
		"InternalServerError":       http.StatusInternalServerError,
		"ResourceNotFoundException": http.StatusBadRequest, // the table, not the item
	} {
		for method, err := range grantCalls(t.Context(), fakeDynamoDB(t, status, code)) {
			_, shown := errors.AsType[*dcr.Error](err)
			if err == nil || shown || errors.Is(err, broker.ErrNotFound) || errors.Is(err, broker.ErrConflict) || errors.Is(err, broker.ErrExists) {
				t.Errorf("%s of %s: got error %v, want one after which the outcome is unknown", code, method, err)
			}
		}
	}
}
