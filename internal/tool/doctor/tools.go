package doctor

import (
	"context"
	"fmt"
	"io"
	"net/http"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/dcr-broker/dcr-broker/internal/adapter"
)

// callTools initializes a session with the token and lists the tools.
func (d *doctor) callTools(ctx context.Context) {
	if d.isIssuer {
		d.skip(signInMCP, "the URL is an issuer, not an MCP server")
		d.skip(signInTools, "the URL is an issuer, not an MCP server")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, d.callTimeout)
	defer cancel()
	f := d.check(signInMCP)
	// No redirects: they would send the token to another server.
	client := adapter.WithoutRedirects(&http.Client{Transport: &withToken{base: d.Transport, token: d.tokens.access}})
	session, err := sdk.NewClient(&sdk.Implementation{Name: clientName, Version: "1"}, nil).Connect(ctx, &sdk.StreamableClientTransport{
		Endpoint: d.URL, HTTPClient: client, DisableStandaloneSSE: true, MaxRetries: -1,
	}, nil)
	if err != nil {
		f.fail(nil, "%s", quote(err.Error()))
		f.end("")
		d.skip(signInTools, "the MCP server rejects the token")
		return
	}
	defer session.Close()
	about := session.InitializeResult()
	if about == nil || about.ServerInfo == nil {
		f.fail(nil, "the server does not send its name")
		f.end("")
	} else {
		f.end("%s %s, protocol %s", quote(about.ServerInfo.Name), quote(about.ServerInfo.Version), quote(about.ProtocolVersion))
	}

	f = d.check(signInTools)
	list, err := session.ListTools(ctx, nil)
	var names []string
	if err != nil {
		f.fail(nil, "%s", quote(err.Error()))
	} else {
		for _, tool := range list.Tools {
			if tool != nil {
				names = append(names, tool.Name)
			}
		}
	}
	f.end("%s", quotes(names))
}

// withToken sends the token with each request, and limits the length of
// answers.
type withToken struct {
	base  http.RoundTripper
	token string
}

func (t *withToken) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+t.token)
	res, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	res.Body = &limited{ReadCloser: res.Body, left: maxTools}
	return res, nil
}

// maxTools limits an answer of the MCP server, in bytes: lists of tools are
// long.
const maxTools = 8 << 20

type limited struct {
	io.ReadCloser
	left int
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("the answer is longer than %d bytes", maxTools)
	}
	n, err := l.ReadCloser.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}
