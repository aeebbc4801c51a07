package walk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// checkCall checks a call with the token. The SDK passes the server's answer to
// the steps.
func (j *journey) checkCall(x *exchange) error {
	c := x.call()
	sent := []member{{"method", c.Method}}
	switch c.Method {
	case "server/discover", "initialize":
		j.out.step("Call the MCP server with the token")
	case "tools/list":
		j.out.step("List the tools")
	case "tools/call":
		switch {
		case c.Params.Name == stepUpTool && j.stepUp.before == nil && x.res.StatusCode != http.StatusOK:
			return j.checkScopeChallenge(x)
		case j.stepUp.active:
			j.stepUp.active = false
			j.out.step("Call the tool " + c.Params.Name + " again, with the new token")
		default:
			j.out.step("Call the tool " + c.Params.Name)
		}
		if len(c.Params.Arguments) > 2 { // more than {}
			sent = append(sent, member{"arguments", string(c.Params.Arguments)})
		}
	default:
		return j.other(x)
	}
	if !j.out.verbose {
		sent = append([]member{{"Authorization", redact("Authorization", x.req.Header.Get("Authorization"))}}, sent...)
	}
	j.out.request(x, sent...)
	j.out.answer(x)
	var p problems
	p.equal("status", x.res.StatusCode, http.StatusOK)
	if p.err() != nil {
		j.out.received(member{"WWW-Authenticate", x.res.Header.Get("WWW-Authenticate")})
	}
	return p.err()
}

func (j *journey) checkServerInfo(res *mcp.InitializeResult) error {
	if res == nil || res.ServerInfo == nil {
		return errors.New("the server did not send its name")
	}
	j.out.received(member{"server", res.ServerInfo.Name + " " + res.ServerInfo.Version}, member{"protocol", res.ProtocolVersion})
	j.out.ok("the server accepts the token")
	return nil
}

func (j *journey) listTools(ctx context.Context, session *mcp.ClientSession) error {
	list, err := session.ListTools(ctx, nil)
	if err != nil {
		return err
	}
	var names []string
	var tools []member
	for _, tool := range list.Tools {
		names = append(names, tool.Name)
		tools = append(tools, member{tool.Name, tool.Description})
	}
	j.out.received(tools...)
	var p problems
	p.contains("tools", names, "echo")
	p.contains("tools", names, "whoami")
	p.contains("tools", names, stepUpTool)
	return j.conclude(p, "the server has the tools that the walk calls")
}

func (j *journey) callEcho(ctx context.Context, session *mcp.ClientSession) error {
	const message = "hello from the walk"
	res, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"message": message}})
	if err != nil {
		return err
	}
	text := textOf(res)
	j.out.received(member{"text", text})
	var p problems
	p.want(!res.IsError, "the tool failed")
	p.equal("text", text, message)
	return j.conclude(p, "it returns the message")
}

// callWhoami checks the claims that the server reads from the token.
func (j *journey) callWhoami(ctx context.Context, session *mcp.ClientSession) error {
	res, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "whoami"})
	if err != nil {
		return err
	}
	if res.IsError {
		return fmt.Errorf("the tool failed: %s", textOf(res))
	}
	raw, err := json.Marshal(res.StructuredContent)
	if err != nil {
		return err
	}
	j.out.object(raw, "username", "sub", "groups", "client_id", "scope", "token_use", "iss", "aud", "exp")
	var who struct {
		Subject  string   `json:"sub"`
		Username string   `json:"username"`
		ClientID string   `json:"client_id"`
		Scope    string   `json:"scope"`
		TokenUse string   `json:"token_use"`
		Issuer   string   `json:"iss"`
		Audience []string `json:"aud"`
	}
	if err := json.Unmarshal(raw, &who); err != nil {
		return fmt.Errorf("the answer of whoami: %w", err)
	}
	var p problems
	p.want(who.Subject != "", "sub is missing")
	// In a pool where users sign in with an e-mail address or a phone number,
	// Cognito generates the user names.
	if !strings.ContainsAny(j.opts.Username, "@+") {
		p.equal("username", who.Username, j.opts.Username)
	}
	facts := []string{"it is a Cognito token for this user"}
	if j.brokered() {
		// The broker signs users in through an app client of its own.
		facts = append(facts, "its client_id is the broker's app client, whose secret only the broker has")
		p.want(who.ClientID != "" && who.ClientID != j.client.ID, "client_id is %q, want an app client of the broker", who.ClientID)
	} else {
		p.equal("client_id", who.ClientID, j.client.ID)
	}
	p.equal("token_use", who.TokenUse, "access")
	p.want(who.Issuer != "" && who.Issuer != j.server.Issuer, "iss is %q, want the issuer of the user pool, because tokens are Cognito's own", who.Issuer)
	if len(who.Audience) > 0 {
		p.contains("aud", who.Audience, j.opts.MCP)
	}
	for _, scope := range j.scope {
		p.contains("scope", strings.Fields(who.Scope), scope)
	}
	return j.conclude(p, facts...)
}

func textOf(res *mcp.CallToolResult) string {
	var texts []string
	for _, c := range res.Content {
		if t, ok := c.(*mcp.TextContent); ok {
			texts = append(texts, t.Text)
		}
	}
	return strings.Join(texts, "\n")
}
