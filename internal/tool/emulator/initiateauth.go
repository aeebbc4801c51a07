package emulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"slices"
)

type initiateAuthInput struct {
	AuthFlow       *string
	ClientId       *string
	AuthParameters map[string]string
}

type adminInitiateAuthInput struct {
	initiateAuthInput
	UserPoolId *string
}

type authenticationResult struct {
	AccessToken  string
	IdToken      string
	RefreshToken string `json:",omitempty"`
	ExpiresIn    int64
	TokenType    string
}

type initiateAuthOutput struct {
	AuthenticationResult authenticationResult
	ChallengeParameters  struct{}
}

// authFlows are the flows of the service model, each with the value that an app
// client must list to allow it: the ALLOW_ value, or the legacy value if there
// is one.
var authFlows = map[string]struct {
	allow, legacy string
	public, admin bool // whether InitiateAuth and AdminInitiateAuth have it
}{
	"USER_PASSWORD_AUTH":       {"ALLOW_USER_PASSWORD_AUTH", "USER_PASSWORD_AUTH", true, false},
	"ADMIN_USER_PASSWORD_AUTH": {"ALLOW_ADMIN_USER_PASSWORD_AUTH", "ADMIN_NO_SRP_AUTH", false, true},
	"ADMIN_NO_SRP_AUTH":        {"ALLOW_ADMIN_USER_PASSWORD_AUTH", "ADMIN_NO_SRP_AUTH", false, true},
	"REFRESH_TOKEN_AUTH":       {"ALLOW_REFRESH_TOKEN_AUTH", "", true, true},
	"REFRESH_TOKEN":            {"ALLOW_REFRESH_TOKEN_AUTH", "", true, true},
	"USER_SRP_AUTH":            {"ALLOW_USER_SRP_AUTH", "", true, true},
	"CUSTOM_AUTH":              {"ALLOW_CUSTOM_AUTH", "CUSTOM_AUTH_FLOW_ONLY", true, true},
	"USER_AUTH":                {"ALLOW_USER_AUTH", "", true, true},
}

func (c *Cognito) initiateAuth(in initiateAuthInput) (initiateAuthOutput, *apiError) {
	var cs constraints
	return c.authenticateUser(in, &cs, func(flow string) bool { return authFlows[flow].public })
}

func (c *Cognito) adminInitiateAuth(in adminInitiateAuthInput) (initiateAuthOutput, *apiError) {
	var cs constraints
	cs.poolID(in.UserPoolId)
	if err := c.inPool(cs, in.UserPoolId); err != nil {
		return initiateAuthOutput{}, err
	}
	return c.authenticateUser(in.initiateAuthInput, &cs, func(flow string) bool { return authFlows[flow].admin })
}

func (c *Cognito) authenticateUser(in initiateAuthInput, cs *constraints, known func(flow string) bool) (out initiateAuthOutput, err *apiError) {
	id := cs.clientID(in.ClientId)
	flow := cs.required(in.AuthFlow, "authFlow", 0, 64, nil)
	if _, ok := authFlows[flow]; !ok && in.AuthFlow != nil {
		cs.fail(flow, "authFlow", "Member must satisfy enum value set")
	}
	if err := cs.err(); err != nil {
		return out, err
	}
	a, ok := c.lookup(id)
	if !ok {
		return out, noSuchClient(id)
	}
	if !known(flow) {
		return out, invalidParameter("Initiate Auth method not supported.")
	}
	if f := authFlows[flow]; !a.settings.allowsAuth(f.allow) && (f.legacy == "" || !a.settings.allowsAuth(f.legacy)) {
		return out, invalidParameter("%s flow not enabled for this client", flow)
	}
	switch flow {
	case "USER_PASSWORD_AUTH", "ADMIN_USER_PASSWORD_AUTH", "ADMIN_NO_SRP_AUTH":
		out.AuthenticationResult, err = c.passwordAuth(a, in.AuthParameters)
	case "REFRESH_TOKEN_AUTH", "REFRESH_TOKEN":
		out.AuthenticationResult, err = c.refreshAuth(a, in.AuthParameters)
	default:
		err = apiErrorf("UnsupportedOperationException", "the local Cognito does not do %s", flow)
	}
	return out, err
}

func (c *Cognito) passwordAuth(a appClient, params map[string]string) (authenticationResult, *apiError) {
	for _, p := range []string{"USERNAME", "PASSWORD"} {
		if params[p] == "" {
			return authenticationResult{}, invalidParameter("Missing required parameter %s", p)
		}
	}
	if err := a.checkSecretHash(params, params["USERNAME"]); err != nil {
		return authenticationResult{}, err
	}
	u := c.signIn(params["USERNAME"], params["PASSWORD"])
	if u == nil {
		if c.users[params["USERNAME"]] == nil && a.settings.PreventUserExistenceErrors == "LEGACY" {
			return authenticationResult{}, apiErrorf("UserNotFoundException", "User does not exist.")
		}
		return authenticationResult{}, apiErrorf("NotAuthorizedException", "Incorrect username or password.")
	}
	now := c.now()
	g := &grant{
		origin: newUUID(), event: newUUID(), client: a.id, user: u, scopes: []string{adminScope}, authTime: now,
		expires: now.Add(a.settings.refreshLifetime()), direct: true,
	}
	return c.directTokens(a, g, func() string { return c.newRefreshTokenOf(g) })
}

func (c *Cognito) refreshAuth(a appClient, params map[string]string) (authenticationResult, *apiError) {
	if params["REFRESH_TOKEN"] == "" {
		return authenticationResult{}, invalidParameter("Missing required parameter REFRESH_TOKEN")
	}
	c.mu.Lock()
	rt, ok := c.usableRefreshToken(params["REFRESH_TOKEN"], a.id)
	c.mu.Unlock()
	if !ok {
		return authenticationResult{}, apiErrorf("NotAuthorizedException", "Invalid Refresh Token")
	}
	if err := a.checkSecretHash(params, rt.grant.user.Name, rt.grant.user.Sub); err != nil {
		return authenticationResult{}, err
	}
	return c.directTokens(a, rt.grant, func() string { return "" })
}

func (c *Cognito) directTokens(a appClient, g *grant, refresh func() string) (authenticationResult, *apiError) {
	t, err := c.mint(g, a.settings, "")
	if err != nil {
		return authenticationResult{}, apiErrorf("InternalErrorException", "%v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return authenticationResult{t.AccessToken, t.IDToken, refresh(), t.ExpiresIn, t.TokenType}, nil
}

// checkSecretHash checks the SECRET_HASH of a client with a secret, made with
// one of the names. The hash is Base64(HMAC-SHA256(secret, name + client id)).
func (a appClient) checkSecretHash(params map[string]string, names ...string) *apiError {
	sent, ok := params["SECRET_HASH"]
	if len(a.secrets) == 0 {
		if ok {
			return apiErrorf("NotAuthorizedException", "Unable to verify secret hash for client %s", a.id)
		}
		return nil
	}
	if !ok {
		return apiErrorf("NotAuthorizedException", "Client %s is configured with secret but SECRET_HASH was not received", a.id)
	}
	if !slices.ContainsFunc(names, func(name string) bool {
		return slices.ContainsFunc(a.secrets, func(s clientSecret) bool {
			mac := hmac.New(sha256.New, []byte(s.value))
			mac.Write([]byte(name + a.id))
			want := base64.StdEncoding.EncodeToString(mac.Sum(nil))
			return hmac.Equal([]byte(want), []byte(sent))
		})
	}) {
		return apiErrorf("NotAuthorizedException", "Unable to verify secret hash for client %s", a.id)
	}
	return nil
}
