package walk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/auth"

	"github.com/dcr-broker/dcr-broker/internal/tool/signin"
)

// signIn is the SDK's AuthorizationCodeFetcher: it opens the authorization URL
// and acts as the user and the browser.
func (j *journey) signIn(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	res, err := j.authorize(ctx, args.URL)
	if err != nil && j.failed == nil {
		j.failed = j.out.at(err)
	}
	return res, err
}

func (j *journey) authorize(ctx context.Context, address string) (*auth.AuthorizationResult, error) {
	if err := j.checkRequest(address); err != nil {
		return nil, err
	}
	if j.stepUp.active {
		j.out.step("Open it with the same browser, still signed in as " + j.opts.Username)
	} else {
		j.out.step("Sign in as " + j.opts.Username)
		j.browser = j.newBrowser()
	}
	j.consented = false
	to, err := j.browser.Visit(ctx, address, j.back.uri)
	if err != nil {
		return nil, err
	}
	// Cognito itself has no consent page.
	if j.brokered() && !j.consented {
		return nil, errors.New("there was no consent page")
	}
	page, err := j.browser.Open(ctx, to.String())
	if err != nil {
		return nil, err
	}
	if page.Status != http.StatusOK {
		return nil, fmt.Errorf("the client answered the redirect with %d", page.Status)
	}
	j.out.ok("the browser was sent back to the client")
	return j.receiveCode(ctx)
}

func (j *journey) newBrowser() *signin.Browser {
	return &signin.Browser{
		Transport: j.base, Username: j.opts.Username, Password: j.opts.Password,
		Sent: func(req *http.Request, form url.Values) {
			j.out.line(">", req.Method+" "+signin.WithoutQuery(req.URL))
			j.out.query(form, slices.Sorted(maps.Keys(form))...)
		},
		Answered: j.out.page,
		Decide: func(p *signin.Page) (string, error) {
			j.consented = true
			return j.consent(p)
		},
	}
}

// consent checks the broker's consent page, and allows the client.
func (j *journey) consent(page *signin.Page) (string, error) {
	j.out.ok("the user is signed in, but has not allowed the client yet")
	j.out.step("Allow the client on the consent page")
	text := page.Text(4000)
	j.out.received(member{"page", page.Text(560)})
	var p problems
	p.want(j.brokered(), "there is a consent page, although the metadata does not name the broker as the authorization server")
	p.equal("status", page.Status, http.StatusOK)
	if j.opts.ClientID == "" {
		p.want(strings.Contains(text, clientName), "the page does not name the client, %q", clientName)
	}
	p.want(strings.Contains(text, j.opts.Username), "the page does not name the user %q", j.opts.Username)
	return signin.Allow, j.conclude(p, "the page names the client as unverified, the scopes, and the user")
}

// checkRequest checks the authorization request (RFC 6749 §4.1.1, RFC 7636
// §4.3, RFC 8707 §2.1).
func (j *journey) checkRequest(address string) error {
	if j.stepUp.active {
		j.out.step("Make another authorization URL, with the missing scope and the previous one")
	} else {
		j.out.step("Make the authorization URL, with PKCE")
	}
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	j.request = u.Query()
	u.RawQuery = ""
	j.out.line(">", u.String())
	j.out.query(j.request, "response_type", "client_id", "redirect_uri", "scope", "resource", "state", "code_challenge", "code_challenge_method")
	var p problems
	p.equal("endpoint", u.String(), j.server.AuthorizationEndpoint)
	p.equal("client_id", j.request.Get("client_id"), j.client.ID)
	p.equal("redirect_uri", j.request.Get("redirect_uri"), j.back.uri)
	p.equal("response_type", j.request.Get("response_type"), "code")
	p.equal("resource", j.request.Get("resource"), j.opts.MCP)
	p.equal("code_challenge_method", j.request.Get("code_challenge_method"), "S256")
	p.equal("length of code_challenge", len(j.request.Get("code_challenge")), 43) // a SHA-256 in base64url
	p.want(j.request.Get("state") != "", "state is missing")
	if j.requiredScope != "" {
		p.sameScopes("scope", j.request.Get("scope"), j.requiredScope)
	}
	facts := []string{"it requests the scope that the server requires, for this server"}
	if j.brokered() {
		facts = append(facts, "it leads to the broker, which asks the user to allow the client")
	}
	return j.conclude(p, facts...)
}

// receiveCode checks the authorization response (RFC 6749 §4.1.2, RFC 9207).
func (j *journey) receiveCode(ctx context.Context) (*auth.AuthorizationResult, error) {
	j.out.step("Receive the code at the redirect URI")
	q, err := j.back.wait(ctx)
	if err != nil {
		return nil, err
	}
	j.out.line(">", "GET "+j.back.uri)
	j.out.query(q, "error", "error_description", "code", "state", "iss")
	j.code = q.Get("code")
	var p problems
	p.equal("error", q.Get("error"), "")
	p.want(j.code != "", "code is missing")
	p.equal("state", q.Get("state"), j.request.Get("state"))
	facts := []string{"the state is the one sent"}
	if j.server.SendsIssuer || q.Has("iss") {
		p.equal("iss", q.Get("iss"), j.server.Issuer)
		facts = append(facts, "iss is the issuer, so the response is not from another server (RFC 9207)")
	}
	if err := j.conclude(p, facts...); err != nil {
		return nil, err
	}
	return &auth.AuthorizationResult{Code: j.code, State: q.Get("state"), Iss: q.Get("iss")}, nil
}

// checkTokens checks the token request and its answer (RFC 6749 §4.1.3).
func (j *journey) checkTokens(x *exchange) error {
	j.out.step("Exchange the code for tokens")
	form, err := url.ParseQuery(string(x.reqBody))
	if err != nil {
		return err
	}
	j.out.request(x)
	j.out.sentHeader(x, "Authorization")
	j.out.query(form, "grant_type", "client_id", "client_secret", "code", "code_verifier", "redirect_uri", "resource")
	j.out.answer(x)

	var p problems
	p.equal("status", x.res.StatusCode, http.StatusOK)
	if p.err() != nil {
		j.out.object(x.resBody, "error", "error_description", "request_id")
		return p.err()
	}
	var answer struct {
		AccessToken  string          `json:"access_token"`
		RefreshToken string          `json:"refresh_token"`
		TokenType    string          `json:"token_type"`
		ExpiresIn    json.RawMessage `json:"expires_in"`
		Scope        string          `json:"scope"`
	}
	if err := x.decode(&answer); err != nil {
		return err
	}
	j.out.object(x.resBody, "token_type", "access_token", "expires_in", "refresh_token", "scope")
	j.scope = strings.Fields(answer.Scope)
	j.outcome.AccessToken, j.outcome.RefreshToken = answer.AccessToken, answer.RefreshToken

	p.want(form.Get("code") == j.code, "the code sent is not the one received")
	p.want(form.Get("code_verifier") != "", "no code_verifier was sent")
	p.equal("the client's authentication method", authentication(x, form), j.opts.authMethod())
	p.want(answer.AccessToken != "", "access_token is missing")
	p.want(answer.RefreshToken != "", "refresh_token is missing, although the client registered for it")
	p.want(strings.EqualFold(answer.TokenType, "Bearer"), "token_type is %q, want Bearer", answer.TokenType)
	p.want(len(answer.ExpiresIn) > 0, "expires_in is missing")
	p.equal("Cache-Control", x.res.Header.Get("Cache-Control"), "no-store")
	for _, scope := range strings.Fields(j.request.Get("scope")) {
		p.contains("scope", j.scope, scope)
	}
	facts := []string{"the answer grants the requested scope"}
	if j.brokered() {
		facts = append(facts, "the refresh token is the broker's own; Cognito's stays with the broker")
		p.want(strings.HasPrefix(answer.RefreshToken, "dcr_rt_"), "refresh_token is not the broker's own")
		p.want(!has(x.resBody, "id_token"), "id_token is present, with another issuer and client")
	}
	return j.conclude(p, facts...)
}

// has reports whether the JSON object has the member.
func has(object []byte, name string) bool {
	var members map[string]json.RawMessage
	return json.Unmarshal(object, &members) == nil && members[name] != nil
}

// authentication returns the method with which a token request authenticates
// its client.
func authentication(x *exchange, form url.Values) string {
	var used []string
	if strings.HasPrefix(x.req.Header.Get("Authorization"), "Basic ") {
		used = append(used, "client_secret_basic")
	}
	if form.Has("client_secret") {
		used = append(used, "client_secret_post")
	}
	if len(used) == 0 {
		return "none"
	}
	slices.Sort(used)
	return strings.Join(used, " and ")
}
