package configuration

import (
	"fmt"
	"slices"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/pkg/strict"
)

// Warnings returns what is allowed in the document and probably a mistake: no
// client can get a token for a protected resource, strangers can register without a
// limit, or clients use up the branding styles of the user pool. The broker uses
// the document all the same. A warning has the path of the value, as a fault does.
func (c *Configuration) Warnings() []strict.Fault {
	return slices.Concat(c.unreachableResources(), c.unlimited(), c.dedicated())
}

// unreachableResources returns a warning for each protected resource of whose
// scopes no profile allows one.
func (c *Configuration) unreachableResources() []strict.Fault {
	granted := make(map[string]bool)
	for _, name := range c.Policy.Profiles() {
		profile, _ := c.Policy.Profile(name)
		for _, s := range profile.Scopes() {
			granted[s] = true
		}
	}
	var warnings []strict.Fault
	for i, r := range c.Resources {
		path := strict.Index("protected_resources", i)
		switch {
		case slices.ContainsFunc(r.Scopes, func(s string) bool { return granted[s] }):
		case len(r.Scopes) > 0:
			warnings = append(warnings, strict.Fault{Path: path + ".scopes", Message: "no profile allows one of these scopes, so no client can get a token for this server"})
		case c.mode == broker.ModeBrokered: // in direct mode Cognito ignores the scopes of a resource
			warnings = append(warnings, strict.Fault{Path: path, Message: "has no scopes, so no client can get a token for this server"})
		}
	}
	return warnings
}

// unlimited returns a warning if strangers can register clients without a limit.
func (c *Configuration) unlimited() []strict.Fault {
	profile, ok := c.Policy.Open()
	if !ok {
		return nil
	}
	var warnings []strict.Fault
	warn := func(member, message string) {
		warnings = append(warnings, strict.Fault{Path: strict.Member("profiles", profile.Name()) + ".limits", Message: "no " + member + ", so strangers can " + message})
	}
	limits := profile.Limits()
	if limits.CreationsPerHour == 0 {
		warn("creations_per_hour", "register any number of clients")
	}
	// In brokered mode all clients of the profile share one app client.
	if limits.AppClients == 0 && c.mode == broker.ModeDirect {
		warn("app_clients", "use up the app clients of the user pool")
	}
	return warnings
}

// dedicated returns a warning for each profile whose clients need a branding style
// each.
func (c *Configuration) dedicated() []strict.Fault {
	var warnings []strict.Fault
	for _, name := range c.Policy.Profiles() {
		profile, _ := c.Policy.Profile(name)
		if profile.AppClient() == policy.DedicatedAppClient && dcr.UseRedirects(profile.GrantTypes()) && c.loginVersion != 1 {
			warnings = append(warnings, strict.Fault{Path: strict.Member("profiles", name) + ".app_client", Message: fmt.Sprintf(
				"dedicated needs a branding style for each client, and a user pool with managed login has %d: when they are used up, users of the next client see an error (503)",
				broker.MaxBrandingStyles)})
		}
	}
	return warnings
}
