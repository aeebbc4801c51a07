package main

import (
	"strings"
	"testing"

	usecase "github.com/dcr-broker/dcr-broker/pkg/broker/operator"
)

func TestUsersFindingSaysHowManyGrantsEnd(t *testing.T) {
	f := usecase.Finding{Effect: usecase.EffectUnknown, Rule: usecase.RuleUsers, Subject: "open", Clients: 2, Grants: 5, Ends: 3}
	if got, want := findingText(f, false), "by the identity providers at the sign-in, that is 3"; !strings.Contains(got, want) {
		t.Errorf("findingText = %q, want it to contain %q", got, want)
	}
	f.Ends = 0
	if got := findingText(f, false); strings.Contains(got, "identity providers") {
		t.Errorf("findingText = %q, want nothing of identity providers, since the records show none that ends", got)
	}
}
