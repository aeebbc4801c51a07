package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/test/must"
)

// logged returns what log writes, as JSON.
func logged(t *testing.T, level slog.Level, log func(*slog.Logger)) map[string]any {
	t.Helper()
	var out bytes.Buffer
	log(slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: level})).With(Issuer, "auth.example.com"))
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v in %q", err, out.String())
	}
	return line
}

func TestAnActivityIsOneLine(t *testing.T) {
	ctx, a := Begin(t.Context(), "id-1")
	SetAttr(ctx, ClientID, "dcr_a")
	SetAttr(ctx, Profile, "open")
	SetAttr(ctx, Profile, "trusted")
	SetAttr(ctx, Decision, "")
	Called(ctx, DynamoDB, 1500*time.Microsecond, false)
	Called(ctx, DynamoDB, 2*time.Millisecond, true)
	Count(ctx, Registrations, 1)
	Count(ctx, CognitoThrottles, 2)
	Called(ctx, Cognito, time.Millisecond, true)
	Called(ctx, CognitoOAuth, 3*time.Millisecond, true)
	Set(ctx, StylesLeft, 5)
	Set(ctx, StylesLeft, 3)
	line := logged(t, slog.LevelError, func(log *slog.Logger) { a.Log(ctx, log, "answered", slog.Int("status", 201)) })

	for key, want := range map[string]any{
		"msg": "answered", "level": "INFO", "status": 201.0, "request_id": "id-1", "client_id": "dcr_a", "profile": "trusted",
		"dynamodb":      map[string]any{"calls": 2.0, "ms": 3.5},
		"Registrations": 1.0, "outcome": "none", "DynamoDBLatency": []any{1.5, 2.0}, "DynamoDBThrottles": 1.0,
		"CognitoThrottles": 4.0, "CognitoOAuthLatency": []any{3.0}, "BrandingStylesLeft": 3.0,
	} {
		if !reflect.DeepEqual(line[key], want) {
			t.Errorf("%s = %v, want %v", key, line[key], want)
		}
	}
	for _, key := range []string{"decision", "other", "CognitoHeldBack"} {
		if v, ok := line[key]; ok {
			t.Errorf("%s = %v, want it left out", key, v)
		}
	}
}

// CloudWatch's rules for embedded metrics: the names of a directive are members
// at the top of the line, a dimension is a text that is not empty, and a name
// occurs once.
func TestMetricsAreInEmbeddedMetricFormat(t *testing.T) {
	ctx, a := Begin(t.Context(), "id-1")
	for _, m := range All {
		Count(ctx, m, 1)
	}
	for range 150 {
		Called(ctx, Cognito, time.Millisecond, false)
	}
	line := logged(t, slog.LevelInfo, func(log *slog.Logger) { a.Log(ctx, log, "run") })
	var embedded struct {
		Timestamp         float64
		CloudWatchMetrics []struct {
			Namespace  string
			Dimensions [][]string
			Metrics    []struct{ Name, Unit string }
		}
	}
	b := must.Marshal(t, line["_aws"])
	if err := json.Unmarshal(b, &embedded); err != nil {
		t.Fatal(err)
	}
	if at := time.UnixMilli(int64(embedded.Timestamp)); time.Since(at).Abs() > time.Hour {
		t.Errorf("Timestamp is %v, want now in milliseconds", at)
	}
	var names []string
	for _, d := range embedded.CloudWatchMetrics {
		if d.Namespace != Namespace || len(d.Dimensions) != 1 || len(d.Metrics) != 1 {
			t.Errorf("directive %+v, want one metric of %s with one set of dimensions", d, Namespace)
		}
		for _, key := range d.Dimensions[0] {
			if s, _ := line[key].(string); s == "" {
				t.Errorf("%s: dimension %s = %v, want a text", d.Metrics[0].Name, key, line[key])
			}
		}
		names = append(names, d.Metrics[0].Name)
		if !slices.Contains([]string{"Count", "Milliseconds", "Percent"}, d.Metrics[0].Unit) {
			t.Errorf("%s has the unit %q", d.Metrics[0].Name, d.Metrics[0].Unit)
		}
		switch v := line[d.Metrics[0].Name].(type) {
		case float64:
		case []any:
			if len(v) > 100 {
				t.Errorf("%s has %d values, CloudWatch takes 100", d.Metrics[0].Name, len(v))
			}
		default:
			t.Errorf("%s = %v, want a number or numbers", d.Metrics[0].Name, v)
		}
	}
	if len(names) != len(All) || len(slices.Compact(slices.Sorted(slices.Values(names)))) != len(names) {
		t.Errorf("embedded are %q, want each of the %d metrics once", names, len(All))
	}
}

func TestNilActivityDiscardsEverything(t *testing.T) {
	ctx := context.Background()
	SetAttr(ctx, Profile, "open")
	Called(ctx, Cognito, time.Second, true)
	Count(ctx, Tokens, 1)
	if id := Of(ctx).ID(); id != "" {
		t.Errorf("ID = %q, want none", id)
	}
}

func TestAuditLineHasActorAndChange(t *testing.T) {
	ctx, _ := Begin(t.Context(), "id-1")
	line := logged(t, slog.LevelError, func(log *slog.Logger) {
		Audit{
			Event: "registration.disabled", Actor: Actor{"operator", "ada"}, ClientID: "dcr_a",
			Before: []slog.Attr{slog.String("state", "active")}, After: []slog.Attr{slog.String("state", "disabled")},
		}.Log(ctx, log)
	})
	delete(line, "time")
	want := map[string]any{
		"issuer": "auth.example.com", "level": "INFO", "msg": "audit", "event": "registration.disabled", "request_id": "id-1", "client_id": "dcr_a",
		"actor": map[string]any{"kind": "operator", "id": "ada"}, "before": map[string]any{"state": "active"}, "after": map[string]any{"state": "disabled"},
	}
	if !reflect.DeepEqual(line, want) {
		t.Errorf("got  %v\nwant %v", line, want)
	}
}

// BenchmarkALine measures what an activity adds to a request such as a
// registration: its attributes, three measured calls, and the line.
func BenchmarkALine(b *testing.B) {
	log := slog.New(slog.NewJSONHandler(io.Discard, nil))
	for b.Loop() {
		ctx, a := Begin(b.Context(), "id-1")
		SetAttr(ctx, ClientID, "dcr_a")
		SetAttr(ctx, Profile, "open")
		Count(ctx, Registrations, 1)
		for range 3 {
			Called(ctx, DynamoDB, 2*time.Millisecond, false)
		}
		a.Log(ctx, log, "answered", slog.Int("status", 201))
	}
}
