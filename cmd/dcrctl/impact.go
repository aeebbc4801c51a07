package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/internal/tool/terminal"
	usecase "github.com/dcr-broker/dcr-broker/pkg/broker/operator"
)

// impactHeads are the headings of the effects, in the order of the output.
var impactHeads = []struct {
	effect usecase.Effect
	head   string
}{
	{usecase.EffectCutOff, "Cut off:"},
	{usecase.EffectUnknown, "Not known from the records:"},
	{usecase.EffectRegisterAgain, "Only after another registration:"},
	{usecase.EffectStays, "Not allowed to new clients, and kept by those that have it:"},
}

// writeImpact writes which clients and grants a change concerns.
func writeImpact(w io.Writer, impact usecase.Impact) {
	read := fmt.Sprintf("%s and %s were read", plural(impact.Registrations, "registration", "registrations"), plural(impact.Grants, "grant", "grants"))
	if len(impact.Findings) == 0 {
		fmt.Fprintf(w, "No registered client is cut off (%s).\n", read)
		return
	}
	fmt.Fprintf(w, "What changes for clients that are registered (%s):\n", read)
	for _, h := range impactHeads {
		head := h.head + "\n"
		for _, f := range impact.Findings {
			if f.Effect != h.effect || f.Rule == usecase.RuleNewScope {
				continue
			}
			fmt.Fprint(w, head)
			head = ""
			writeItem(w, findingText(f, isOff(impact)))
		}
		if h.effect == usecase.EffectRegisterAgain {
			writeNewScopes(w, head, impact)
		}
	}
}

// writeItem writes an item of a list.
func writeItem(w io.Writer, text string) {
	for i, line := range terminal.Wrap(plain(text), maxLine-4) {
		fmt.Fprintln(w, map[bool]string{true: "  - ", false: "    "}[i == 0]+line)
	}
}

// writeNewScopes writes the new scopes, those for as many clients together.
func writeNewScopes(w io.Writer, head string, impact usecase.Impact) {
	scopes := make(map[int][]string)
	for _, f := range impact.Findings {
		if f.Rule == usecase.RuleNewScope {
			scopes[f.Clients] = append(scopes[f.Clients], f.Subject)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(scopes)) {
		fmt.Fprint(w, head)
		head = ""
		writeItem(w, fmt.Sprintf("%s %s only when %s again; until then requests for %s end with invalid_scope. MCP clients usually do not register again on their own",
			plural(n, "registered client gets", "registered clients get"), shortList(scopes[n]), number(n, "it registers", "they register"),
			number(len(scopes[n]), "it", "them")))
	}
}

// isOff reports whether the change turns open registration off.
func isOff(impact usecase.Impact) bool {
	return slices.ContainsFunc(impact.Findings, func(f usecase.Finding) bool {
		return f.Rule == usecase.RuleOpenRegistration && f.Effect == usecase.EffectCutOff
	})
}

// findingText describes a finding, for people. off is whether open registration
// is turned off, so that clients cannot register again.
func findingText(f usecase.Finding, off bool) string {
	again := "until " + number(f.Clients, "it registers", "they register") + " again, "
	if off {
		again = ""
	}
	clients := plural(f.Clients, "client", "clients")
	grants := plural(f.Grants, "grant", "grants")
	signIn := clients + " cannot send users to sign in any more" + grantsOf(f)
	profile := "profile " + f.Subject
	switch f.Rule {
	case usecase.RuleProfile:
		return profile + " is gone: " + profileGone(f)
	case usecase.RuleNoScope:
		return profile + ": no scope of " + clients + " is left; " + again + signIn
	case usecase.RuleScope:
		text := "scope " + f.Subject + ": " + plural(f.Clients, "client does", "clients do") + " not get it any more"
		if f.Resource != "" {
			text += " for " + f.Resource
		}
		return text + grantsOf(f)
	case usecase.RuleAppClient:
		return profile + " has dedicated app clients now. Clients that registered openly get none: " + again + signIn +
			`. "app_client": "shared" in the profile keeps their app client`
	case usecase.RuleAppClientScopes:
		return profile + ": its app client would have more scopes than Cognito allows, so it loses those that the profile does not have" +
			notKnown(f, "the "+grants+" with such scopes")
	case usecase.RuleLifetime:
		text := profile + ": the lifetime of " + clients + " has ended; within 7 days the janitor removes " + number(f.Clients, "it", "them")
		if f.Grants > 0 {
			text += " and ends " + number(f.Clients, "its ", "their ") + grants
		}
		return text
	case usecase.RuleResource:
		text := "resource " + f.Subject + " is gone: authorization requests that name it are refused"
		if f.Grants > 0 {
			text += fmt.Sprintf("; %s of %s for it %s", grants, clients, number(f.Grants, "is refreshed until it expires", "are refreshed until they expire"))
		}
		return text
	case usecase.RuleResourceParameter:
		return "there are " + f.Subject + " protected resources now: an authorization request without the parameter resource is refused. " +
			"The records do not show which clients send it; MCP clients must (RFC 8707)"
	case usecase.RuleResourceBinding:
		return "resource_binding is false now: new access tokens have no aud, and MCP servers that check it refuse them"
	case usecase.RuleIntrospection:
		return "introspection client " + f.Subject + " is gone or has another secret: POST /introspect refuses the old one"
	case usecase.RuleOpenRegistration:
		if f.Effect == usecase.EffectStays {
			return "open registration has another profile: " + clients + " of " + profile + number(f.Clients, " gets another id when it registers again", " get another id when they register again")
		}
		return "open registration is off: " + plural(f.Clients, "client that registered openly stays", "clients that registered openly stay") + " under " + profile + ", and cannot register again"
	case usecase.RuleRedirectURIs:
		return profile + ": " + plural(f.Clients, "client has", "clients have") + " redirect URIs that it does not allow any more"
	case usecase.RuleGrantTypes:
		text := profile + ": " + plural(f.Clients, "client has", "clients have") + " grant types that it does not allow any more"
		if f.Effect == usecase.EffectCutOff {
			text += "; requests for tokens with these are refused"
		}
		return text
	case usecase.RuleAuthMethods:
		return profile + ": " + plural(f.Clients, "client has", "clients have") + " an authentication method that it does not allow any more"
	case usecase.RuleUsers:
		return profile + " admits other users: " + usersChanged(f)
	case usecase.RuleIdentityProvider:
		return "identity provider " + f.Subject + " is gone from the sign-in page: its users cannot sign in" + notKnown(f, "their "+grants)
	}
	return fmt.Sprintf("%s %s: %s, %s", f.Rule, f.Subject, clients, grants)
}

// profileGone says what becomes of the clients and initial access tokens of a
// profile that is gone.
func profileGone(f usecase.Finding) string {
	clients := plural(f.Clients, "client gets", "clients get")
	if f.Effect == usecase.EffectStays {
		return clients + " tokens as before, without updates of the registration"
	}
	var parts []string
	if f.Clients > 0 || f.Tokens == 0 {
		parts = append(parts, clients+" no tokens any more"+grantsOf(f))
	}
	if f.Tokens > 0 {
		parts = append(parts, plural(f.Tokens, "initial access token is", "initial access tokens are")+" refused")
	}
	return strings.Join(parts, "; ")
}

// usersChanged says what becomes of the users of a profile that admits others.
func usersChanged(f usecase.Finding) string {
	text := "some users of " + plural(f.Clients, "client", "clients") + " may be refused, and others admitted"
	switch {
	case f.Grants == 1:
		text += ". 1 grant ends at its next request for a token, if its user is not admitted"
	case f.Grants > 1:
		text += ". Of " + plural(f.Grants, "grant", "grants") + ", those of users who are not admitted end at their next request for a token"
	}
	if f.Ends > 0 {
		text += fmt.Sprintf("; by the identity providers at the sign-in, that is %d", f.Ends)
	}
	return text
}

// notKnown says of grants, if there are any, that Cognito alone decides about them.
func notKnown(f usecase.Finding, grants string) string {
	if f.Grants == 0 {
		return ""
	}
	return ". Whether Cognito still refreshes " + grants + " is not known"
}

// grantsOf says what becomes of the grants of a finding.
func grantsOf(f usecase.Finding) string {
	var parts []string
	if f.Ends > 0 {
		parts = append(parts, plural(f.Ends, "grant ends at its next request for a token", "grants end at their next requests for a token"))
	}
	if stay := f.Grants - f.Ends; stay > 0 {
		parts = append(parts, plural(stay, "grant stays until it expires", "grants stay until they expire"))
	}
	if len(parts) == 0 {
		return ""
	}
	return "; " + strings.Join(parts, ", ")
}
