package environment

import (
	"io"
	"log/slog"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// Server has the address and the general settings of the broker itself.
type Server struct {
	// Issuer (ISSUER) is the broker's own origin, as clients see it: https, no
	// path, no trailing slash; http only for a loopback host. Required.
	Issuer string
	// LogLevel (LOG_LEVEL) is debug, info, warn or error. Default: info.
	LogLevel slog.Level
	// Mode (AUTHORIZATION) says which authorization server clients see. brokered
	// is the broker in front of Cognito. direct is Cognito itself, with an app
	// client for each registration. Default: brokered.
	Mode broker.Mode
	// Edge (EDGE) says what is in front of the API. Empty: nothing is, and clients
	// have the address of the connection. The path of a file, or
	// secretsmanager:ID: an edge that sends the secret in it (package
	// adapter/edge), and a request without the secret is refused. hidden: an edge
	// that hides the addresses of clients. Default: empty.
	Edge string
	// Region (AWS_REGION) is the AWS region of the user pool and the table.
	// Required.
	Region string
}

func server(e *env, c *Environment) {
	if c.Issuer = e.required("ISSUER"); c.Issuer != "" {
		e.origin("ISSUER", c.Issuer)
	}
	if err := c.LogLevel.UnmarshalText([]byte(e.or("LOG_LEVEL", "info"))); err != nil {
		e.fault("LOG_LEVEL", "must be debug, info, warn or error")
	}
	c.Edge = e.getenv("EDGE")
	mode(e, c)
	region(e, c)
}

// EdgeHidden is the value of Edge for an edge that hides the addresses of clients.
const EdgeHidden = "hidden"

// HTTPS reports whether clients reach the issuer by https.
func (s *Server) HTTPS() bool { return strings.HasPrefix(s.Issuer, "https://") }

func mode(e *env, c *Environment) {
	switch c.Mode = broker.Mode(e.or("AUTHORIZATION", string(broker.ModeBrokered))); c.Mode {
	case broker.ModeBrokered, broker.ModeDirect:
	default:
		e.fault("AUTHORIZATION", "must be brokered or direct, not %q", c.Mode)
	}
}

func region(e *env, c *Environment) { c.Region = e.required("AWS_REGION") }

// Logger writes JSON lines to w, at the configured level. Each line has the
// host of the issuer, which separates the metrics of different deployments.
func (s *Server) Logger(w io.Writer) *slog.Logger {
	_, host, _ := strings.Cut(s.Issuer, "://")
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: s.LogLevel})).With("issuer", host)
}
