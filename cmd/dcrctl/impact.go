package main

import (
	"fmt"
	"io"
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
	{usecase.EffectStays, "Not allowed to new clients, and kept by those that have it:"},
}

// writeImpact writes whom a change cuts off.
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
			if f.Effect != h.effect {
				continue
			}
			fmt.Fprint(w, head)
			head = ""
			for i, line := range terminal.Wrap(plain(findingText(f)), maxLine-4) {
				fmt.Fprintln(w, map[bool]string{true: "  - ", false: "    "}[i == 0]+line)
			}
		}
	}
}

// findingText describes a finding, for people.
func findingText(f usecase.Finding) string {
	clients := plural(f.Clients, "client", "clients")
	// The broker refreshes a grant without looking at the configuration.
	signIn := clients + " cannot send users to sign in any more" + keptGrants(f.Grants)
	switch f.Rule {
	case usecase.RuleProfile:
		if f.Effect == usecase.EffectStays {
			return fmt.Sprintf("profile %s is gone: %s get tokens as before, and cannot update their registrations", f.Subject, clients)
		}
		var parts []string
		if f.Clients > 0 || f.Tokens == 0 {
			parts = append(parts, signIn)
		}
		if f.Tokens > 0 {
			parts = append(parts, plural(f.Tokens, "initial access token is", "initial access tokens are")+" refused")
		}
		return fmt.Sprintf("profile %s is gone: %s", f.Subject, strings.Join(parts, "; "))
	case usecase.RuleNoScope:
		return fmt.Sprintf("profile %s: none of the scopes of %s is left, so they get no new authorization until they register again%s", f.Subject, clients, keptGrants(f.Grants))
	case usecase.RuleScope:
		return fmt.Sprintf("scope %s: new authorizations of %s do not get it; %s it until the end", f.Subject, clients, plural(f.Grants, "grant keeps", "grants keep"))
	case usecase.RuleAppClient:
		return fmt.Sprintf("profile %s: app clients are dedicated now, and %s registered openly get none: they must register again%s", f.Subject, plural(f.Clients, "client that", "clients that"), keptGrants(f.Grants))
	case usecase.RuleLifetime:
		return fmt.Sprintf("profile %s: the lifetime of %s has ended: the janitor removes them within 7 days, and ends their %s", f.Subject, clients, plural(f.Grants, "grant", "grants"))
	case usecase.RuleResource:
		return fmt.Sprintf("resource %s is gone: requests that name it are refused; %s of %s for it stay until they expire", f.Subject, plural(f.Grants, "grant", "grants"), clients)
	case usecase.RuleResourceParameter:
		return fmt.Sprintf("there are %s protected resources now: an authorization request without the parameter resource is refused. The records do not show which clients send it; MCP clients must (RFC 8707)", f.Subject)
	case usecase.RuleIntrospection:
		return fmt.Sprintf("introspection client %s is gone or has another secret: POST /introspect refuses the old one", f.Subject)
	case usecase.RuleOpenRegistration:
		if f.Effect == usecase.EffectStays {
			return fmt.Sprintf("open registration has another profile: %s of profile %s get a new id when they register again", clients, f.Subject)
		}
		return fmt.Sprintf("open registration is off: %s that registered openly under profile %s stay, and cannot register again", clients, f.Subject)
	case usecase.RuleRedirectURIs:
		return fmt.Sprintf("profile %s: %s have redirect URIs that it does not allow any more", f.Subject, clients)
	case usecase.RuleGrantTypes:
		return fmt.Sprintf("profile %s: %s have grant types that it does not allow any more", f.Subject, clients)
	case usecase.RuleAuthMethods:
		return fmt.Sprintf("profile %s: %s have an authentication method that it does not allow any more", f.Subject, clients)
	case usecase.RuleUsers:
		return fmt.Sprintf("profile %s admits other users: the groups of users are not in the records. It has %s; a user who is not admitted any more cannot consent again%s", f.Subject, clients, keptGrants(f.Grants))
	case usecase.RuleIdentityProvider:
		return fmt.Sprintf("identity provider %s is gone from the sign-in page: its users cannot sign in. %s came through it; whether Cognito refreshes them is not known", f.Subject, plural(f.Grants, "grant", "grants"))
	}
	return fmt.Sprintf("%s %s: %s, %s", f.Rule, f.Subject, clients, plural(f.Grants, "grant", "grants"))
}

func keptGrants(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; %s refreshed until %s", plural(n, "grant is", "grants are"), map[bool]string{true: "it expires", false: "they expire"}[n == 1])
}
