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

func TestFindingsAgreeInNumber(t *testing.T) {
	for _, tt := range []struct {
		rule usecase.Rule
		f    usecase.Finding
		want string
	}{
		{usecase.RuleNoScope, usecase.Finding{Clients: 1}, "until it registers again, 1 client cannot"},
		{usecase.RuleNoScope, usecase.Finding{Clients: 2}, "until they register again, 2 clients cannot"},
		{usecase.RuleLifetime, usecase.Finding{Clients: 1}, "within 7 days the janitor removes it"},
		{usecase.RuleLifetime, usecase.Finding{Clients: 1, Grants: 2}, "removes it and ends its 2 grants"},
		{usecase.RuleLifetime, usecase.Finding{Clients: 3, Grants: 1}, "removes them and ends their 1 grant"},
		{usecase.RuleResource, usecase.Finding{Clients: 1, Grants: 1}, "1 grant of 1 client for it is refreshed until it expires"},
		{usecase.RuleResource, usecase.Finding{Clients: 1, Grants: 2}, "2 grants of 1 client for it are refreshed until they expire"},
		{usecase.RuleOpenRegistration, usecase.Finding{Effect: usecase.EffectStays, Clients: 1}, "1 client of profile p gets another id when it registers again"},
		{usecase.RuleOpenRegistration, usecase.Finding{Effect: usecase.EffectStays, Clients: 2}, "2 clients of profile p get another id when they register again"},
		{usecase.RuleUsers, usecase.Finding{Clients: 1}, "others admitted"},
		{usecase.RuleUsers, usecase.Finding{Clients: 1, Grants: 1}, "1 grant ends at its next request for a token, if its user is not admitted"},
		{usecase.RuleUsers, usecase.Finding{Clients: 1, Grants: 2}, "Of 2 grants, those of users who are not admitted end at their next request for a token"},
		{usecase.RuleAppClientScopes, usecase.Finding{}, "so it loses those that the profile does not have"},
		{usecase.RuleIdentityProvider, usecase.Finding{}, "its users cannot sign in"},
		{usecase.RuleIdentityProvider, usecase.Finding{Grants: 1}, "Whether Cognito still refreshes their 1 grant is not known"},
	} {
		tt.f.Rule, tt.f.Subject = tt.rule, "p"
		got := findingText(tt.f, false)
		if !strings.Contains(got, tt.want) || strings.Contains(got, " 0 ") || tt.f.Grants == 0 && !strings.HasSuffix(got, tt.want) && tt.rule != usecase.RuleNoScope {
			t.Errorf("%s of %d clients, %d grants: got %q, want %q", tt.rule, tt.f.Clients, tt.f.Grants, got, tt.want)
		}
	}
}
