package walk

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

// stepUpTool is the tool that needs a scope which the first challenge does not
// name.
const stepUpTool = "write_log"

// stepUp is the state of the second authorization, which a tool requires (MCP
// authorization, "Step-Up Authorization Flow").
type stepUp struct {
	// active is true from the challenge until the tool has answered.
	active bool
	before []string // the scopes before the step-up; nil without one
}

// callWriteLog calls the tool. The SDK requests the missing scope in between,
// and calls again.
func (j *journey) callWriteLog(ctx context.Context, session *mcp.ClientSession) error {
	res, err := session.CallTool(ctx, &mcp.CallToolParams{Name: stepUpTool, Arguments: map[string]any{"message": "hello from the walk"}})
	if err != nil {
		return err
	}
	j.out.received(member{"text", textOf(res)})
	var p problems
	p.want(!res.IsError, "the tool failed: %s", textOf(res))
	p.want(j.stepUp.before != nil, "the call succeeded with the scope %q, so no other scope was requested", strings.Join(j.scope, " "))
	return j.conclude(p, "the tool succeeded with the new scope")
}

// checkScopeChallenge checks the answer to a call with an insufficient scope
// (RFC 6750 §3.1).
func (j *journey) checkScopeChallenge(x *exchange) error {
	j.out.step("Call the tool " + stepUpTool + ", which needs a scope that the token lacks")
	j.out.request(x, member{"scope of the token", strings.Join(j.scope, " ")})
	j.out.answer(x)

	challenges, err := oauthex.ParseWWWAuthenticate(x.res.Header.Values("WWW-Authenticate"))
	if err != nil {
		return err
	}
	var p problems
	var c oauthex.Challenge
	if i := slices.IndexFunc(challenges, func(c oauthex.Challenge) bool { return c.Scheme == "bearer" }); i >= 0 {
		c = challenges[i]
		j.out.challenge(c.Params, "error", "error_description", "resource_metadata", "scope")
	}
	p.equal("error", c.Params["error"], "insufficient_scope")
	p.equal("resource_metadata", c.Params["resource_metadata"], j.metadataURL)
	missing := slices.DeleteFunc(strings.Fields(c.Params["scope"]), func(s string) bool { return slices.Contains(j.scope, s) })
	p.want(len(missing) > 0, "scope is %q, want one that the token does not have", c.Params["scope"])
	if err := p.err(); err != nil {
		return err
	}
	j.stepUp = stepUp{active: true, before: j.scope}
	j.requiredScope = strings.Join(append(slices.Clone(j.scope), missing...), " ")
	return j.conclude(p, "the challenge names the missing scope, so the client can request it")
}

// cachedRegistration answers a second registration with the response to the
// first. The SDK registers at every authorization; the walk acts as a client
// that stores its registration.
func (j *journey) cachedRegistration(req *http.Request) *http.Response {
	x := exchange{req: req}
	if !j.stepUp.active || j.registration == nil || !x.is(http.MethodPost, j.server.RegistrationEndpoint) {
		return nil
	}
	if req.Body != nil {
		req.Body.Close()
	}
	res := *j.registration.res
	res.Body = io.NopCloser(bytes.NewReader(j.registration.resBody))
	return &res
}

// sameScopes checks that both lists have the same scopes, in any order.
func (p *problems) sameScopes(name, got, want string) {
	a, b := strings.Fields(got), strings.Fields(want)
	slices.Sort(a)
	slices.Sort(b)
	p.want(slices.Equal(a, b), "%s is %q, want %q", name, got, want)
}

// checkSecondRead checks that a document can be read a second time.
func (j *journey) checkSecondRead(x *exchange) error {
	if x.res.StatusCode != http.StatusOK {
		return errors.New(x.req.URL.String() + " answered " + x.res.Status + " the second time")
	}
	return j.other(x)
}
