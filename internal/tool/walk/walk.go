// Package walk is a tool: it connects to an MCP server step by step, with the
// client of the official Go SDK. It calls the server without a token, follows
// the challenge to the metadata, registers, signs a user in, allows the client
// on the broker's consent page, exchanges the code, calls the server's tools,
// requests another scope when a tool needs it, and deletes its registration. It
// prints what each step sent and received, with secrets shortened, and stops at
// the first step that does not conform to the standards.
//
// It sees from the metadata whether the broker is in brokered or in direct
// mode. In direct mode Cognito itself signs users in, there is no consent page,
// and every client can delete its registration.
//
// It knows only the server's URL and the user's password. The SDK does
// discovery, registration, PKCE and the exchange; a listener receives the
// redirect; package signin fetches the pages and submits their forms. The
// server must have the tools of examples/mcpserver.
//
// It leaves out what package signin leaves out. It also leaves out requests
// that a server must reject: package doctor makes them.
package walk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

// Options select the server, the user and the kind of client. Fields are
// required unless their comment says otherwise.
type Options struct {
	// MCP is the URL of the MCP server as its users type it.
	MCP string
	// Username and Password are for a user who signs in without a second factor.
	Username string
	Password string
	// InitialAccessToken is sent with the registration of a confidential client.
	// Optional; default: open registration of a public client.
	InitialAccessToken string
	// AuthMethod is the token_endpoint_auth_method of a confidential client:
	// client_secret_basic or client_secret_post. Optional; default:
	// client_secret_basic. It must be empty without InitialAccessToken.
	AuthMethod string
	// ClientID is a client that is already registered, with the redirect URI
	// http://127.0.0.1/callback. Optional; default: the walk registers one. It
	// must be empty with InitialAccessToken.
	ClientID string
	// ClientSecret is the secret of that client, which the SDK sends in the body.
	// Optional.
	ClientSecret string
	// Keep keeps the client registered after a successful walk.
	Keep bool
	// Verbose prints all headers and all members of JSON objects, and exchanges
	// that belong to no step.
	Verbose bool
}

// Outcome has the credentials that a walk obtained. It prints as "[redacted]".
type Outcome struct {
	ClientID     string
	ClientSecret string // "" of a public client
	// ManageURI and ManageToken are registration_client_uri and
	// registration_access_token; "" if there are none.
	ManageURI, ManageToken    string
	AccessToken, RefreshToken string
}

// String implements fmt.Stringer.
func (Outcome) String() string { return "[redacted]" }

// authMethod returns the token_endpoint_auth_method to register.
func (o Options) authMethod() string {
	switch {
	case o.ClientSecret != "":
		return "client_secret_post"
	case o.InitialAccessToken == "":
		return "none"
	case o.AuthMethod == "":
		return "client_secret_basic"
	}
	return o.AuthMethod
}

func (o Options) check() error {
	if u, err := url.Parse(o.MCP); err != nil || u.Host == "" {
		return fmt.Errorf("walk: MCP: %q is not a URL", o.MCP)
	}
	if o.Username == "" || o.Password == "" {
		return errors.New("walk: a username and a password are needed")
	}
	switch o.AuthMethod {
	case "", "client_secret_basic", "client_secret_post":
	default:
		return fmt.Errorf("walk: AuthMethod: %q is not client_secret_basic or client_secret_post", o.AuthMethod)
	}
	if o.AuthMethod != "" && o.InitialAccessToken == "" {
		return errors.New("walk: AuthMethod needs an InitialAccessToken")
	}
	if o.ClientID != "" && o.InitialAccessToken != "" {
		return errors.New("walk: ClientID and InitialAccessToken exclude each other")
	}
	if o.ClientSecret != "" && o.ClientID == "" {
		return errors.New("walk: ClientSecret needs the ClientID that it belongs to")
	}
	return nil
}

// Run takes all steps and writes a report on each to w. The report has colours
// if w is a terminal. The error names the step that failed and the reason; it
// is nil only if all steps passed. Run deletes the client, after an error too
// if the broker can be reached. With an error the Outcome has what was obtained
// before.
func Run(ctx context.Context, w io.Writer, o Options) (Outcome, error) {
	if err := o.check(); err != nil {
		return Outcome{}, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	return runOver(ctx, transport, w, o)
}

// runOver is Run with the transport base.
func runOver(ctx context.Context, base http.RoundTripper, w io.Writer, o Options) (Outcome, error) {
	back, err := listen(ctx)
	if err != nil {
		return Outcome{}, fmt.Errorf("walk: listen for the redirect: %w", err)
	}
	defer back.close()

	j := &journey{opts: o, out: newReport(w, o.Verbose), base: base, back: back, client: client{ID: o.ClientID}}
	j.outcome.ClientID, j.outcome.ClientSecret = o.ClientID, o.ClientSecret
	if err := j.run(ctx); err != nil {
		j.out.failed()
		return j.outcome, errors.Join(err, j.cleanUp(ctx))
	}
	j.out.end()
	return j.outcome, nil
}

// clientName is the client_name of the walk's registration.
const clientName = "Walk through the broker"

// run connects and calls the tools. The SDK takes most of the steps while it
// connects; RoundTrip and signIn check them.
func (j *journey) run(ctx context.Context) error {
	// The timeout is for each exchange, not for the whole walk.
	client := &http.Client{Transport: j, Timeout: 30 * time.Second}
	config := &auth.AuthorizationCodeHandlerConfig{
		RedirectURL: j.back.uri, AuthorizationCodeFetcher: j.signIn, RequestRefreshToken: true, Client: client,
	}
	if j.opts.ClientID != "" {
		config.PreregisteredClient = &oauthex.ClientCredentials{ClientID: j.opts.ClientID}
		if j.opts.ClientSecret != "" {
			config.PreregisteredClient.ClientSecretAuth = &oauthex.ClientSecretAuth{ClientSecret: j.opts.ClientSecret}
		}
	} else {
		config.DynamicClientRegistrationConfig = &auth.DynamicClientRegistrationConfig{Metadata: &oauthex.ClientRegistrationMetadata{
			ClientName:              clientName,
			RedirectURIs:            []string{j.back.uri},
			TokenEndpointAuthMethod: j.opts.authMethod(),
			GrantTypes:              []string{"authorization_code", "refresh_token"},
			ResponseTypes:           []string{"code"},
		}}
	}
	handler, err := auth.NewAuthorizationCodeHandler(config)
	if err != nil {
		return fmt.Errorf("walk: %w", err)
	}
	session, err := mcp.NewClient(&mcp.Implementation{Name: "walk", Version: "1.0.0"}, nil).Connect(ctx, &mcp.StreamableClientTransport{
		Endpoint: j.opts.MCP, HTTPClient: client, OAuthHandler: handler, DisableStandaloneSSE: true, MaxRetries: -1,
	}, nil)
	if err != nil {
		return j.cause(err)
	}
	defer session.Close()
	if err := j.checkServerInfo(session.InitializeResult()); err != nil {
		return j.cause(err)
	}
	for _, step := range []func(context.Context, *mcp.ClientSession) error{j.listTools, j.callEcho, j.callWhoami, j.callWriteLog} {
		if err := step(ctx, session); err != nil {
			return j.cause(err)
		}
	}
	return j.cause(j.unregister(ctx))
}
