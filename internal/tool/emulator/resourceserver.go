package emulator

import (
	"regexp"
	"slices"
	"strings"
)

const (
	maxResourceServers = 25
	maxScopesPerServer = 100
)

type resourceScope struct{ ScopeName, ScopeDescription string }

type resourceServer struct {
	UserPoolId string
	Identifier string
	Name       string
	Scopes     []resourceScope
}

var notInName = regexp.MustCompile(`[^\w\s+=,.@-]+`)

// resourceServerName returns a name for the identifier that the service model
// allows.
func resourceServerName(identifier string) string { return notInName.ReplaceAllString(identifier, "-") }

// resourceServerInput is the input of create and update.
type resourceServerInput struct {
	UserPoolId *string
	Identifier *string
	Name       *string
	Scopes     []struct{ ScopeName, ScopeDescription *string }
}

type resourceServerOutput struct{ ResourceServer resourceServer }

// resourceServer checks the input and returns the resource server that it
// describes.
func (in resourceServerInput) resourceServer(c *Cognito) (resourceServer, *apiError) {
	var cs constraints
	cs.poolID(in.UserPoolId)
	rs := resourceServer{
		UserPoolId: c.cfg.PoolID,
		Identifier: cs.required(in.Identifier, "identifier", 1, 256, scopePattern),
		Name:       cs.required(in.Name, "name", 1, 256, namePattern),
		Scopes:     []resourceScope{},
	}
	for _, s := range in.Scopes {
		rs.Scopes = append(rs.Scopes, resourceScope{
			ScopeName:        cs.required(s.ScopeName, "scopes.member.scopeName", 1, 256, subScopePattern),
			ScopeDescription: cs.required(s.ScopeDescription, "scopes.member.scopeDescription", 1, 256, nil),
		})
	}
	if len(rs.Scopes) > maxScopesPerServer {
		cs.fail(len(rs.Scopes), "scopes", "Member must have length less than or equal to %d", maxScopesPerServer)
	}
	return rs, c.inPool(cs, in.UserPoolId)
}

func (c *Cognito) createResourceServer(in resourceServerInput) (resourceServerOutput, *apiError) {
	rs, err := in.resourceServer(c)
	if err != nil {
		return resourceServerOutput{}, err
	}
	if err := c.addResourceServer(rs); err != nil {
		return resourceServerOutput{}, err
	}
	return resourceServerOutput{rs}, nil
}

// updateResourceServer replaces name and scopes: a scope that the request lacks
// is gone, but the app clients that have it keep it.
func (c *Cognito) updateResourceServer(in resourceServerInput) (resourceServerOutput, *apiError) {
	rs, err := in.resourceServer(c)
	if err != nil {
		return resourceServerOutput{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.resources, func(o resourceServer) bool { return o.Identifier == rs.Identifier })
	if i < 0 {
		return resourceServerOutput{}, notFound("Resource server %s does not exist.", rs.Identifier)
	}
	c.resources[i] = rs
	return resourceServerOutput{rs}, nil
}

// addResourceServer adds a resource server of a request or of the
// configuration. It checks the parts that can be wrong in a configuration.
func (c *Cognito) addResourceServer(rs resourceServer) *apiError {
	var cs constraints
	cs.text(rs.Identifier, "identifier", 1, 256, scopePattern)
	if len(rs.Scopes) > maxScopesPerServer {
		cs.fail(len(rs.Scopes), "scopes", "Member must have length less than or equal to %d", maxScopesPerServer)
	}
	for _, s := range rs.Scopes {
		cs.text(s.ScopeName, "scopes.member.scopeName", 1, 256, subScopePattern)
	}
	if err := cs.err(); err != nil {
		return err
	}
	rs.UserPoolId = c.cfg.PoolID
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.ContainsFunc(c.resources, func(o resourceServer) bool { return o.Identifier == rs.Identifier }) {
		return invalidParameter("%s already exists in user pool %s.", rs.Identifier, c.cfg.PoolID)
	}
	if len(c.resources) >= maxResourceServers {
		return apiErrorf("LimitExceededException", "Maximum number of resource servers per user pool exceeded: %d", maxResourceServers)
	}
	c.resources = append(c.resources, rs)
	return nil
}

// hasScope reports whether a resource server defines the custom scope. The
// caller holds c.mu.
func (c *Cognito) hasScope(scope string) bool {
	return slices.ContainsFunc(c.resources, func(rs resourceServer) bool {
		// The identifier may itself contain slashes; the scope's name may not.
		name, ok := strings.CutPrefix(scope, rs.Identifier+"/")
		return ok && slices.ContainsFunc(rs.Scopes, func(s resourceScope) bool { return s.ScopeName == name })
	})
}

type resourceServerRef struct{ UserPoolId, Identifier *string }

func (c *Cognito) describeResourceServer(in resourceServerRef) (resourceServerOutput, *apiError) {
	var cs constraints
	cs.poolID(in.UserPoolId)
	id := cs.required(in.Identifier, "identifier", 1, 256, scopePattern)
	if err := c.inPool(cs, in.UserPoolId); err != nil {
		return resourceServerOutput{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.resources, func(rs resourceServer) bool { return rs.Identifier == id })
	if i < 0 {
		return resourceServerOutput{}, notFound("Resource server %s does not exist.", id)
	}
	return resourceServerOutput{c.resources[i]}, nil
}

type listResourceServersInput struct {
	UserPoolId *string
	MaxResults *int64
	NextToken  *string
}

type listResourceServersOutput struct {
	ResourceServers []resourceServer
	NextToken       string `json:",omitempty"`
}

func (c *Cognito) listResourceServers(in listResourceServersInput) (listResourceServersOutput, *apiError) {
	var cs constraints
	cs.poolID(in.UserPoolId)
	cs.integer(in.MaxResults, "maxResults", 1, 50)
	if err := c.inPool(cs, in.UserPoolId); err != nil {
		return listResourceServersOutput{}, err
	}
	start, err := pageStart(in.NextToken)
	if err != nil {
		return listResourceServersOutput{}, err
	}
	size := 50
	if in.MaxResults != nil {
		size = int(*in.MaxResults)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	start = min(max(start, 0), len(c.resources)) // the emulator has no operation that deletes one
	end := min(start+size, len(c.resources))
	out := listResourceServersOutput{ResourceServers: append([]resourceServer{}, c.resources[start:end]...)}
	if end < len(c.resources) {
		out.NextToken = pageToken(end)
	}
	return out, nil
}
