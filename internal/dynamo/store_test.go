package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dcr-broker/dcr-broker/internal/brokertest"
	"github.com/dcr-broker/dcr-broker/internal/dynamo"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

func TestStore(t *testing.T) {
	endpoint(t)
	for _, way := range []struct {
		name string
		wrap func(post) post
	}{
		{"each request sent once", once},
		{"each request sent twice", twice},
		{"each first reply lost", firstReplyLost},
	} {
		t.Run(way.name, func(t *testing.T) { brokertest.TestStore(t, openWith(way.wrap)) })
	}
}

func TestSlots(t *testing.T) { brokertest.TestSlots(t, openWith(once)) }

// A call is applied, its reply is lost, and before the SDK sends it again
// somebody else writes. The call must not undo that, nor report that it failed.
func TestStore_repeats_no_write_after_which_others_wrote(t *testing.T) {
	e := endpoint(t)
	clock := brokertest.NewClock()
	table := newTable(t, e)
	other := dynamo.New(newClient(e, transport(send)), table, clock.Now)

	// between returns a store whose first write loses its reply and has others
	// write before it is sent again.
	between := func(others func()) broker.Store {
		lost := false
		return dynamo.New(newClient(e, transport(func(r *http.Request, body []byte) (*http.Response, error) {
			res, err := send(r, body)
			if lost || err != nil {
				return res, err
			}
			lost = true
			others()
			return nil, errReset
		})), table, clock.Now)
	}
	registration := func() *broker.Registration {
		return &broker.Registration{
			ClientID:   credential.NewID(),
			Generation: credential.NewID(),
			Mode:       broker.ModeDirect,
			State:      broker.RegistrationActive,
			Profile:    "open",
			Metadata:   dcr.ClientMetadata{RedirectURIs: []string{"https://client.example/cb"}},
			IssuedAt:   clock.Second(),
		}
	}
	// replaceAll replaces a registration n times with new names.
	replaceAll := func(id string, n int) {
		t.Helper()
		for i := range n {
			r, err := other.Registration(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			r.Metadata.ClientName = fmt.Sprint("written by others ", i)
			if err := other.ReplaceRegistration(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
	}
	name := func(id string) string {
		t.Helper()
		r, err := other.Registration(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return r.Metadata.ClientName
	}

	for _, n := range []int{1, 7} {
		t.Run(fmt.Sprintf("a creation and %d replacements", n), func(t *testing.T) {
			r := registration()
			s := between(func() { replaceAll(r.ClientID, n) })
			if err := s.CreateRegistration(t.Context(), r); err != nil {
				t.Errorf("create: %v", err)
			}
			if got, want := name(r.ClientID), fmt.Sprint("written by others ", n-1); got != want {
				t.Errorf("name: got %q, want %q", got, want)
			}
			if r.Version != 1 {
				t.Errorf("version: got %d, want 1", r.Version)
			}
		})
		t.Run(fmt.Sprintf("a replacement and %d others", n), func(t *testing.T) {
			r := registration()
			if err := other.CreateRegistration(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			r.Metadata.ClientName = "mine"
			s := between(func() { replaceAll(r.ClientID, n) })
			if err := s.ReplaceRegistration(t.Context(), r); err != nil {
				t.Errorf("replace: %v", err)
			}
			if got, want := name(r.ClientID), fmt.Sprint("written by others ", n-1); got != want {
				t.Errorf("name: got %q, want %q", got, want)
			}
			if r.Version != 2 {
				t.Errorf("version: got %d, want 2", r.Version)
			}
		})
	}

	t.Run("a deletion and a new generation", func(t *testing.T) {
		r := registration()
		if err := other.CreateRegistration(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		next := registration()
		next.ClientID = r.ClientID
		s := between(func() {
			if err := other.CreateRegistration(t.Context(), next); err != nil {
				t.Fatal(err)
			}
		})
		if err := s.DeleteRegistration(t.Context(), r.ClientID, r.Generation); err != nil {
			t.Errorf("delete: %v", err)
		}
		if got, err := other.Registration(t.Context(), r.ClientID); err != nil || got.Generation != next.Generation {
			t.Errorf("read: got %+v and error %v, want generation %s", got, err, next.Generation)
		}
	})

	t.Run("a use of a token and others that take the rest", func(t *testing.T) {
		token := &credential.InitialAccessToken{ID: credential.NewID(), Profile: "p", CreatedAt: clock.Second(), MaxUses: 2}
		if err := other.CreateInitialAccessToken(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		s := between(func() {
			if err := other.UseInitialAccessToken(t.Context(), token.ID, "other"); err != nil {
				t.Fatal(err)
			}
		})
		if err := s.UseInitialAccessToken(t.Context(), token.ID, "mine"); err != nil {
			t.Errorf("use: %v", err)
		}
	})

	t.Run("the beginning of a budget and others that take the rest", func(t *testing.T) {
		b := broker.Budget{Key: credential.NewID(), Limit: 2}
		tries := 0
		s := dynamo.New(newClient(e, transport(func(r *http.Request, body []byte) (*http.Response, error) {
			res, err := send(r, body)
			if operation(r) != "PutItem" || err != nil {
				return res, err
			}
			if tries++; tries > 1 {
				return res, nil
			}
			if err := other.TakeBudget(t.Context(), b, "other"); err != nil {
				t.Fatal(err)
			}
			return nil, errReset
		})), table, clock.Now)
		if err := s.TakeBudget(t.Context(), b, "mine"); err != nil {
			t.Errorf("take: %v", err)
		}
		if tries != 2 {
			t.Errorf("attempts to begin the budget: got %d, want 2", tries)
		}
		if err := other.TakeBudget(t.Context(), b, "third"); !errors.Is(err, broker.ErrExhausted) {
			t.Errorf("take by a third: got error %v, want %v", err, broker.ErrExhausted)
		}
	})
}

// What the table must show to others than the Store: DynamoDB's TTL, and
// operators with other tools.
func TestStore_writes_attributes(t *testing.T) {
	e := endpoint(t)
	clock := brokertest.NewClock()
	table := newTable(t, e)
	client := newClient(e, transport(send))
	s := dynamo.New(client, table, clock.Now)
	attributes := func(key string) map[string]types.AttributeValue {
		t.Helper()
		out, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{
			TableName: &table,
			Key:       map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: key}},
		})
		if err != nil || out.Item == nil {
			t.Fatalf("get %s: got %v and error %v", key, out, err)
		}
		return out.Item
	}
	number := func(at time.Time) string { return fmt.Sprint(at.Unix()) }
	// expect compares attributes; "" is for one that must not be there.
	expect := func(key string, want map[string]string) {
		t.Helper()
		it := attributes(key)
		for name, w := range want {
			got := ""
			switch v := it[name].(type) {
			case *types.AttributeValueMemberS:
				got = v.Value
			case *types.AttributeValueMemberN:
				got = v.Value
			}
			if got != w {
				t.Errorf("%s: attribute %s: got %q, want %q", key, name, got, w)
			}
		}
	}
	try := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	expires := clock.Second().Add(time.Hour)
	r := &broker.Registration{
		ClientID: "c1", Generation: "g1", Mode: broker.ModeDirect, State: broker.RegistrationActive,
		Metadata: dcr.ClientMetadata{RedirectURIs: []string{"https://client.example/cb"}},
		IssuedAt: clock.Second(), ExpiresAt: expires,
	}
	try(s.CreateRegistration(t.Context(), r))
	expect("registration#c1", map[string]string{
		"kind": "registration", "schema": "1", "expires_at": number(expires), "ttl": number(expires),
		"metadata": `{"redirect_uris":["https://client.example/cb"]}`,
	})
	r.AppClient = "a1"
	try(s.ReplaceRegistration(t.Context(), r))
	expect("registration#c1", map[string]string{"expires_at": number(expires), "ttl": "", "app_client": "a1"})
	r.AppClient = ""
	try(s.ReplaceRegistration(t.Context(), r))
	expect("registration#c1", map[string]string{"expires_at": number(expires), "ttl": number(expires), "app_client": ""})

	a := &broker.AppClient{Key: "a1", State: broker.AppClientCreating, Profile: "open", CreatedAt: clock.Second(), Due: expires}
	try(s.CreateAppClient(t.Context(), a))
	expect("appclient#a1", map[string]string{"kind": "appclient", "schema": "1", "ttl": "", "due_at": number(expires)})
	a.Due = time.Time{}
	try(s.ReplaceAppClient(t.Context(), a))
	expect("appclient#a1", map[string]string{"due": "", "due_at": "", "version": "2"})

	try(s.CreateInitialAccessToken(t.Context(), &credential.InitialAccessToken{ID: "t1", ExpiresAt: expires}))
	expect("iat#t1", map[string]string{"kind": "iat", "schema": "1", "expires_at": number(expires), "ttl": ""})

	try(s.TakeBudget(t.Context(), broker.Budget{Key: "b1", Limit: 1, ExpiresAt: expires}, "m"))
	expect("budget#b1", map[string]string{"kind": "budget", "schema": "1", "ttl": number(expires)})
	try(s.TakeBudget(t.Context(), broker.Budget{Key: "b2", Limit: 1}, "m"))
	expect("budget#b2", map[string]string{"kind": "budget", "expires_at": "", "ttl": ""})

	if ok, err := s.TakeSlot(t.Context(), "s1", clock.Now(), 4); !ok || err != nil {
		t.Errorf("take slot: got %t and error %v, want true", ok, err)
	}
	expect("slot#s1#"+number(clock.Now()), map[string]string{
		"kind": "slot", "schema": "1", "ttl": number(clock.Now().Add(time.Minute)),
	})
}

// What others wrote into the table is an error, and never half a record.
func TestStore_reads_no_item_it_does_not_know(t *testing.T) {
	e := endpoint(t)
	clock := brokertest.NewClock()
	table := newTable(t, e)
	client := newClient(e, transport(send))
	s := dynamo.New(client, table, clock.Now)
	str := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
	num := func(v string) types.AttributeValue { return &types.AttributeValueMemberN{Value: v} }
	for _, tt := range []struct {
		attribute string
		value     types.AttributeValue // nil removes it
		want      string
	}{
		{"schema", num("2"), "attribute schema is 2"}, // a newer program wrote it
		{"schema", nil, "attribute schema is missing"},
		{"kind", str("iat"), `attribute kind is "iat"`},
		{"version", str("1"), "attribute version is missing or of another type"},
		{"version", num("1.5"), "attribute version"},
		{"generation", nil, "attribute generation is missing"},
		{"metadata", str(`{"redirect_uris":1}`), "attribute metadata"},
		{"metadata", str(`{`), "attribute metadata"},
		{"access_token", str("abc"), "attribute access_token not a SHA-256"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			r := &broker.Registration{ClientID: credential.NewID(), Generation: "g", IssuedAt: clock.Second()}
			if err := s.CreateRegistration(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			in := &dynamodb.UpdateItemInput{
				TableName:                &table,
				Key:                      map[string]types.AttributeValue{"pk": str("registration#" + r.ClientID)},
				UpdateExpression:         aws.String("REMOVE #a"),
				ExpressionAttributeNames: map[string]string{"#a": tt.attribute},
			}
			if tt.value != nil {
				in.UpdateExpression = aws.String("SET #a = :v")
				in.ExpressionAttributeValues = map[string]types.AttributeValue{":v": tt.value}
			}
			if _, err := client.UpdateItem(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			got, err := s.Registration(t.Context(), r.ClientID)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), r.ClientID) {
				t.Errorf("read: got %+v and error %v, want an error that says %q of %s", got, err, tt.want, r.ClientID)
			}
		})
	}
}

// fakeDynamoDB is a server that answers everything with an error.
func fakeDynamoDB(t *testing.T, status int, code string) *dynamo.Store {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Errorf("read the request: %v", err)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":"no"}`, code)
	}))
	t.Cleanup(server.Close)
	return dynamo.New(newClient(server.URL, http.DefaultTransport), "table", nil)
}

// calls are all methods of a Store that send something.
func calls(ctx context.Context, s broker.Store) map[string]error {
	r := &broker.Registration{ClientID: "c", Version: 1}
	a := &broker.AppClient{Key: "a", Version: 1}
	_, read := s.Registration(ctx, "c")
	_, readAppClient := s.AppClient(ctx, "a")
	_, readToken := s.InitialAccessToken(ctx, "t")
	_, slot := s.TakeSlot(ctx, "k", time.Now(), 4)
	errs := map[string]error{
		"CreateRegistration":       s.CreateRegistration(ctx, r),
		"Registration":             read,
		"ReplaceRegistration":      s.ReplaceRegistration(ctx, r),
		"DeleteRegistration":       s.DeleteRegistration(ctx, "c", "g"),
		"TouchRegistration":        s.TouchRegistration(ctx, "c", "g", time.Now()),
		"CreateAppClient":          s.CreateAppClient(ctx, a),
		"AppClient":                readAppClient,
		"ReplaceAppClient":         s.ReplaceAppClient(ctx, a),
		"DeleteAppClient":          s.DeleteAppClient(ctx, "a", 1),
		"CreateInitialAccessToken": s.CreateInitialAccessToken(ctx, &credential.InitialAccessToken{ID: "t"}),
		"InitialAccessToken":       readToken,
		"UseInitialAccessToken":    s.UseInitialAccessToken(ctx, "t", "m"),
		"ReturnInitialAccessToken": s.ReturnInitialAccessToken(ctx, "t", "m"),
		"RevokeInitialAccessToken": s.RevokeInitialAccessToken(ctx, "t", time.Now()),
		"TakeBudget":               s.TakeBudget(ctx, broker.Budget{Key: "b", Limit: 1}, "m"),
		"ReturnBudget":             s.ReturnBudget(ctx, "b", "m"),
		"TakeSlot":                 slot,
	}
	for _, errs["ListRegistrations"] = range s.ListRegistrations(ctx) {
	}
	for _, errs["ListInitialAccessTokens"] = range s.ListInitialAccessTokens(ctx) {
	}
	for _, errs["DueAppClients"] = range s.DueAppClients(ctx, time.Now()) {
	}
	return errs
}

func TestStore_says_when_DynamoDB_throttles(t *testing.T) {
	for _, code := range []string{"ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException"} {
		for method, err := range calls(t.Context(), fakeDynamoDB(t, http.StatusBadRequest, code)) {
			e, ok := errors.AsType[*dcr.Error](err)
			if !ok || e.Code != dcr.Unavailable || e.RetryAfter != time.Second {
				t.Errorf("%s of %s: got %v, want %s after a second", code, method, err, dcr.Unavailable)
			}
		}
	}
}

func TestStore_keeps_other_errors_from_clients(t *testing.T) {
	known := []error{broker.ErrNotFound, broker.ErrExists, broker.ErrConflict, broker.ErrExhausted}
	for code, status := range map[string]int{
		"InternalServerError":       http.StatusInternalServerError,
		"ValidationException":       http.StatusBadRequest,
		"AccessDeniedException":     http.StatusBadRequest,
		"ResourceNotFoundException": http.StatusBadRequest, // the table, not the item
	} {
		for method, err := range calls(t.Context(), fakeDynamoDB(t, status, code)) {
			if _, ok := errors.AsType[*dcr.Error](err); err == nil || ok {
				t.Errorf("%s of %s: got error %v, want one that is not for clients", code, method, err)
			}
			if slices.ContainsFunc(known, func(k error) bool { return errors.Is(err, k) }) {
				t.Errorf("%s of %s: got error %v, which says that nothing was changed", code, method, err)
			}
		}
	}
}

func TestStore_refuses_keys_that_DynamoDB_cannot_have(t *testing.T) {
	s := fakeDynamoDB(t, http.StatusInternalServerError, "InternalServerError")
	for _, id := range []string{"\xff", strings.Repeat("x", 2048)} {
		_, slot := s.TakeSlot(t.Context(), id, time.Now(), 4)
		for method, err := range map[string]error{
			"CreateRegistration":       s.CreateRegistration(t.Context(), &broker.Registration{ClientID: id}),
			"CreateAppClient":          s.CreateAppClient(t.Context(), &broker.AppClient{Key: id}),
			"CreateInitialAccessToken": s.CreateInitialAccessToken(t.Context(), &credential.InitialAccessToken{ID: id}),
			"TakeBudget":               s.TakeBudget(t.Context(), broker.Budget{Key: id, Limit: 1}, "m"),
			"TakeSlot":                 slot,
		} {
			if err == nil || !strings.Contains(err.Error(), "key") {
				t.Errorf("%s of %d bytes: got error %v, want one about the key", method, len(id), err)
			}
		}
		if err := s.ReturnBudget(t.Context(), id, "m"); err != nil {
			t.Errorf("ReturnBudget of %d bytes: got error %v, want none", len(id), err)
		}
	}
}

func TestCreateTable_refuses_a_name_that_is_taken(t *testing.T) {
	e := endpoint(t)
	err := dynamo.CreateTable(t.Context(), newClient(e, transport(send)), newTable(t, e))
	if _, ok := errors.AsType[*types.ResourceInUseException](err); !ok {
		t.Errorf("got error %v, want ResourceInUseException", err)
	}
}
