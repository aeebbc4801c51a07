// Package walk goes the way of an MCP client, with the client of the official Go
// SDK: it calls an MCP server without a token, follows the challenge to the
// metadata, registers, signs somebody in, says yes on the broker's consent page,
// exchanges the code, calls the server's tools, asks for more when one of them
// needs a scope that it does not have, and deletes its registration. It prints
// every step with what was sent and received, secrets shortened, and stops at the
// first that does not hold what the standards promise.
//
// Whether the broker is brokered or direct it takes from the metadata: in direct
// mode Cognito itself signs people in, nobody is asked for consent, and every
// client can delete its registration.
//
// Nothing is taken for known but the server's URL and the account: discovery,
// registration, PKCE and the exchange are the SDK's, the redirect URI has a
// listener behind it, and the pages are fetched and their forms filled in (package
// signin says which cannot be). It expects the tools of
// examples/mcpserver.
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

// Options say where to go and who goes. Fields are required unless their comment
// says otherwise.
type Options struct {
	// MCP is the URL of the MCP server as its users type it.
	MCP string
	// Username and Password are those of somebody who can sign in without a
	// second factor.
	Username string
	Password string
	// InitialAccessToken, if there is one, is sent with the registration, and
	// the client registers as a confidential one. Optional; default: open
	// registration of a public client.
	InitialAccessToken string
	// AuthMethod is the token_endpoint_auth_method of a confidential client:
	// client_secret_basic or client_secret_post. Optional; default:
	// client_secret_basic. It must be empty without InitialAccessToken.
	AuthMethod string
	// ClientID is that of a client with the redirect URI
	// http://127.0.0.1/callback that is registered already. Optional; default:
	// the walk registers one. It must be empty with InitialAccessToken.
	ClientID string
	// ClientSecret is the secret of that client if it has one, which the SDK
	// sends in the body. Optional.
	ClientSecret string
	// Keep leaves the client registered after a walk that held.
	Keep bool
	// Verbose prints all headers and all members of JSON objects, and the
	// exchanges that belong to no step.
	Verbose bool
}

// Outcome is what a walk has got. It prints as "[redacted]".
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

// authMethod is the token_endpoint_auth_method to register with.
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
		return errors.New("walk: a client that is registered already needs no InitialAccessToken")
	}
	if o.ClientSecret != "" && o.ClientID == "" {
		return errors.New("walk: ClientSecret needs the ClientID that it belongs to")
	}
	return nil
}

// Run walks, and writes the report to w as it goes. The report has colours if w
// is a terminal. The error names the step that did not hold and what was found
// there; it is nil only if all held. The client is deleted again, also after an
// error if the broker can be reached. With an error the Outcome is what there was
// until then.
func Run(ctx context.Context, w io.Writer, o Options) (Outcome, error) {
	if err := o.check(); err != nil {
		return Outcome{}, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	return runOver(ctx, transport, w, o)
}

// runOver walks over base.
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
		return j.outcome, errors.Join(err, j.leave(ctx))
	}
	j.out.end()
	return j.outcome, nil
}

// clientName is what the walk calls itself when it registers.
const clientName = "Walk through the broker"

// run connects and calls the tools. Most of the steps are taken by the SDK while
// it connects; RoundTrip and signIn see them pass.
func (j *journey) run(ctx context.Context) error {
	// The limit is for each exchange, so it does not hurry the journey.
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
		return j.because(err)
	}
	defer session.Close()
	if err := j.connected(session.InitializeResult()); err != nil {
		return j.because(err)
	}
	for _, step := range []func(context.Context, *mcp.ClientSession) error{j.listTools, j.callEcho, j.callWhoami, j.callWriteLog} {
		if err := step(ctx, session); err != nil {
			return j.because(err)
		}
	}
	return j.because(j.unregister(ctx))
}
