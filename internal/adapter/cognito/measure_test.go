package cognito

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// line is the log line of the activity.
func line(t *testing.T, a *telemetry.Activity) map[string]any {
	t.Helper()
	var out bytes.Buffer
	a.Log(t.Context(), slog.New(slog.NewJSONHandler(&out, nil)), "run")
	var l map[string]any
	if err := json.Unmarshal(out.Bytes(), &l); err != nil {
		t.Fatal(err)
	}
	return l
}

// The quota belongs to the pool, so app clients of other programs count too.
func TestListSetsTheQuotaMetric(t *testing.T) {
	c, _ := emulated(t, 0)
	settings := DefaultSettings()
	settings.Quota = 300
	c.getSettings = fixed(settings)
	other, err := New(c.api, Config{Pool: here.pool, Deployment: "other", Settings: fixed(DefaultSettings()), Counters: &counters{}, Now: c.now, Sleep: c.sleep})
	if err != nil {
		t.Fatal(err)
	}
	for _, apps := range []*AppClients{c, other, other} {
		if _, err := apps.Create(t.Context(), marker, public()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, a := telemetry.Begin(t.Context(), "")
	for range 2 { // the second list does not add to the first
		for _, err := range c.List(ctx) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := line(t, a)["AppClientQuotaUsed"]; got != 1.0 {
		t.Errorf("AppClientQuotaUsed = %v, want 1 percent", got)
	}
}

func TestDelayedCallsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &counters{}
		s.fill(t, opCreate, time.Now())
		ctx, a := telemetry.Begin(t.Context(), "")
		if err := admitting(t, s).admit(ctx, opCreate); err != nil {
			t.Fatal(err)
		}
		if l := line(t, a); l["CognitoHeldBack"] != 1.0 || l["CognitoThrottles"] != nil {
			t.Errorf("held back %v, throttles %v, want 1 and 0", l["CognitoHeldBack"], l["CognitoThrottles"])
		}
		s.taken = nil
		for second := range 4 {
			s.fill(t, opCreate, time.Now().Add(time.Duration(second)*time.Second))
		}
		ctx, a = telemetry.Begin(t.Context(), "")
		if err := admitting(t, s).admit(ctx, opCreate); err == nil {
			t.Fatal("a call was admitted beyond the limit")
		}
		if l := line(t, a); l["CognitoThrottles"] != 1.0 {
			t.Errorf("throttles = %v, want 1", l["CognitoThrottles"])
		}
	})
}
