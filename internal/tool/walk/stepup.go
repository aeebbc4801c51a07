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

// stepUp is what a journey knows of its second authorization, which a tool asks
// for (MCP authorization, "Step-Up Authorization Flow").
type stepUp struct {
	// begun is from the challenge until the tool has answered.
	begun bool
	had   []string // the scopes until then
}

// callWriteLog calls the tool. What comes in between, the SDK does: it asks for
// the scopes that are missing and calls again.
func (j *journey) callWriteLog(ctx context.Context, session *mcp.ClientSession) error {
	res, err := session.CallTool(ctx, &mcp.CallToolParams{Name: stepUpTool, Arguments: map[string]any{"message": "hello from the walk"}})
	if err != nil {
		return err
	}
	j.out.received(member{"text", textOf(res)})
	var p problems
	p.want(!res.IsError, "the tool failed: %s", textOf(res))
	p.want(j.up.had != nil, "the tool was called with the scope %q, and nothing more was asked for", strings.Join(j.scope, " "))
	return j.holds(p, "the tool has done it, and the user was asked only now")
}

// widened is the answer to a call with too small a scope (RFC 6750 section 3.1).
func (j *journey) widened(x *exchange) error {
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
	j.up = stepUp{begun: true, had: j.scope}
	j.needed = strings.Join(append(slices.Clone(j.scope), missing...), " ")
	return j.holds(p, "the challenge says what is missing, so the client can ask for it")
}

// keptRegistration answers a second registration with what the first brought.
// The SDK registers at every authorization; a client that keeps what it got does
// not, and this one is such a client.
func (j *journey) keptRegistration(req *http.Request) *http.Response {
	x := exchange{req: req}
	if !j.up.begun || j.registration == nil || !x.is(http.MethodPost, j.server.RegistrationEndpoint) {
		return nil
	}
	if req.Body != nil {
		req.Body.Close()
	}
	res := *j.registration.res
	res.Body = io.NopCloser(bytes.NewReader(j.registration.resBody))
	return &res
}

// sameScopes wants both lists to have the same scopes in whatever order.
func (p *problems) sameScopes(name, got, want string) {
	a, b := strings.Fields(got), strings.Fields(want)
	slices.Sort(a)
	slices.Sort(b)
	p.want(slices.Equal(a, b), "%s is %q, want %q", name, got, want)
}

// reread is a document that is known already.
func (j *journey) reread(x *exchange) error {
	if x.res.StatusCode != http.StatusOK {
		return errors.New(x.req.URL.String() + " answered " + x.res.Status + " the second time")
	}
	return j.passed(x)
}
