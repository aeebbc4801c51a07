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

	"github.com/dcr-broker/dcr-broker/internal/adapter/dynamo"
	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// fakeDynamoDB returns a store on a server that answers every request with an
// error.
func fakeDynamoDB(t *testing.T, status int, code string) *records.Store {
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
	return dynamo.New(newClient(server.URL, http.DefaultTransport), "table", time.Now)
}

// calls calls all methods of a Store that send a request.
func calls(ctx context.Context, s broker.Store) map[string]error {
	r := &broker.Registration{ClientID: "c", Version: 1}
	a := &broker.AppClient{Key: "a", Version: 1}
	_, read := s.Registration(ctx, "c")
	_, readAppClient := s.AppClient(ctx, "a")
	_, readToken := s.InitialAccessToken(ctx, "t")
	_, place := s.SweepPlace(ctx)
	_, deployment := s.TableOwner(ctx)
	_, identity := s.Identity(ctx)
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
		"RetireRegistration":       s.RetireRegistration(ctx, &broker.Registration{ClientID: "c"}),
		"RenewRegistration":        s.RenewRegistration(ctx, &broker.Registration{ClientID: "c"}, "g"),
		"SweepPlace":               place,
		"SetSweepPlace":            s.SetSweepPlace(ctx, "p"),
		"TableOwner":               deployment,
		"CreateTableOwner":         s.CreateTableOwner(ctx, &broker.TableOwner{ID: "d"}),
		"SetTableOwner":            s.SetTableOwner(ctx, &broker.TableOwner{ID: "d"}),
		"Identity":                 identity,
		"CreateInitialAccessToken": s.CreateInitialAccessToken(ctx, &credential.InitialAccessToken{ID: "t"}),
		"InitialAccessToken":       readToken,
		"UseInitialAccessToken":    s.UseInitialAccessToken(ctx, "t", "m"),
		"ReturnInitialAccessToken": s.ReturnInitialAccessToken(ctx, "t", "m"),
		"RevokeInitialAccessToken": s.RevokeInitialAccessToken(ctx, "t", time.Now()),
		"TakeBudget":               s.TakeBudget(ctx, broker.Budget{Key: "b", Limit: 1}, "m"),
		"ReturnBudget":             s.ReturnBudget(ctx, "b", "m"),
		"Count":                    s.Count(ctx, broker.Counter{Key: "k", Limit: 4}),
	}
	for _, errs["ListRegistrations"] = range s.ListRegistrations(ctx) {
	}
	for _, errs["ListInitialAccessTokens"] = range s.ListInitialAccessTokens(ctx) {
	}
	for _, errs["AppClientKeys"] = range s.AppClientKeys(ctx) {
	}
	for _, errs["Due"] = range s.Due(ctx, time.Now(), "") {
	}
	return errs
}

func TestStore_returns_Unavailable_when_DynamoDB_throttles(t *testing.T) {
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
				t.Errorf("%s of %s: got error %v, want one that does not promise that nothing was changed", code, method, err)
			}
		}
	}
}

func TestStore_refuses_keys_that_DynamoDB_cannot_store(t *testing.T) {
	s := fakeDynamoDB(t, http.StatusInternalServerError, "InternalServerError")
	for _, id := range []string{"\xff", strings.Repeat("x", 2048)} {
		for method, err := range map[string]error{
			"CreateRegistration":       s.CreateRegistration(t.Context(), &broker.Registration{ClientID: id}),
			"CreateAppClient":          s.CreateAppClient(t.Context(), &broker.AppClient{Key: id}),
			"CreateInitialAccessToken": s.CreateInitialAccessToken(t.Context(), &credential.InitialAccessToken{ID: id}),
			"TakeBudget":               s.TakeBudget(t.Context(), broker.Budget{Key: id, Limit: 1}, "m"),
			"Count":                    s.Count(t.Context(), broker.Counter{Key: id, Limit: 4}),
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
